//! System calls newer than the oldest libseccomp that this project builds with, by name and number. Data only.

/// The first number that libseccomp 2.5.4 does not know. From here on all architectures number their calls alike.
pub(super) const FIRST: u32 = 451;

const CALLS: [(&str, u32); 19] = [
    ("cachestat", 451),
    ("fchmodat2", 452),
    ("map_shadow_stack", 453),
    ("futex_wake", 454),
    ("futex_wait", 455),
    ("futex_requeue", 456),
    ("statmount", 457),
    ("listmount", 458),
    ("lsm_get_self_attr", 459),
    ("lsm_set_self_attr", 460),
    ("lsm_list_modules", 461),
    ("mseal", 462),
    ("setxattrat", 463),
    ("getxattrat", 464),
    ("listxattrat", 465),
    ("removexattrat", 466),
    ("open_tree_attr", 467),
    ("file_getattr", 468),
    ("file_setattr", 469),
];

/// The number of a call of this name, without what an architecture adds to all of its own.
pub(super) fn number(name: &str) -> Option<u32> {
    CALLS.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}
