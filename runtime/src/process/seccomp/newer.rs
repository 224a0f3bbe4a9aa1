//! System calls newer than the oldest libseccomp that this project builds with.
//!
//! A program that tries a new call and gets EPERM believes that it may not; only ENOSYS makes it use the old one. So
//! numbers from [`FIRST`] on are decided in front of libseccomp's filter: allowed by name, else ENOSYS. From that
//! number on all architectures number their calls alike.

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompAction};

use crate::sys::seccomp::Instruction;

/// The first number that libseccomp 2.5.4 does not know.
const FIRST: u32 = 451;
/// x32 calls carry this bit; the filter behind decides on them.
const X32_BIT: u32 = 0x4000_0000;

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

const LOAD_NUMBER: Instruction = instruction(0x20, 0, 0, 0);
const ALLOW: Instruction = instruction(0x06, 0, 0, 0x7fff_0000);
/// SECCOMP_RET_ERRNO with ENOSYS.
const NO_SUCH_CALL: Instruction = instruction(0x06, 0, 0, 0x0005_0000 | 38);
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_AT_LEAST: u16 = 0x35;

const fn instruction(code: u16, skip_if_true: u8, skip_if_false: u8, operand: u32) -> Instruction {
    Instruction { code, skip_if_true, skip_if_false, operand }
}

/// What stands in front of the filter: nothing where the profile allows what it does not name.
pub(super) fn prefix(profile: &LinuxSeccomp) -> Vec<Instruction> {
    if profile.default_action() != LinuxSeccompAction::ScmpActErrno {
        return Vec::new();
    }
    let allowed: Vec<u32> =
        CALLS.iter().filter(|(name, _)| is_allowed(profile, name)).map(|(_, number)| *number).collect();
    // One comparison for each call, then both returns. At most 19, so every distance fits into its byte.
    let count = u8::try_from(allowed.len()).unwrap_or(u8::MAX);
    let mut prefix = vec![
        LOAD_NUMBER,
        instruction(JUMP_IF_AT_LEAST, count + 3, 0, X32_BIT),
        instruction(JUMP_IF_AT_LEAST, 0, count + 2, FIRST),
    ];
    let distances = (1..=count).rev();
    prefix.extend(
        allowed.iter().zip(distances).map(|(number, left)| instruction(JUMP_IF_EQUAL, left, 0, *number)),
    );
    prefix.extend([NO_SUCH_CALL, ALLOW]);
    prefix
}

fn is_allowed(profile: &LinuxSeccomp, name: &str) -> bool {
    let rules = profile.syscalls().iter().flatten();
    rules
        .filter(|rule| rule.action() == LinuxSeccompAction::ScmpActAllow && rule.args().is_none())
        .any(|rule| rule.names().iter().any(|given| given == name))
}
