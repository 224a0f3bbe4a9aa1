//! Calls that some architectures first had as parts of `socketcall` and `ipc`, whose numbers libseccomp keeps to itself.

use oci_spec::runtime::Arch;

/// Numbers of 32-bit x86 and of s390, which are the same but for `accept`, which x86 does not have by itself.
const CALLS: [(&str, u32); 25] = [
    ("socket", 359),
    ("socketpair", 360),
    ("bind", 361),
    ("connect", 362),
    ("listen", 363),
    ("accept4", 364),
    ("getsockopt", 365),
    ("setsockopt", 366),
    ("getsockname", 367),
    ("getpeername", 368),
    ("sendto", 369),
    ("sendmsg", 370),
    ("recvfrom", 371),
    ("recvmsg", 372),
    ("shutdown", 373),
    ("semget", 393),
    ("semctl", 394),
    ("shmget", 395),
    ("shmctl", 396),
    ("shmat", 397),
    ("shmdt", 398),
    ("msgget", 399),
    ("msgsnd", 400),
    ("msgrcv", 401),
    ("msgctl", 402),
];

/// Whether an architecture has such calls, beside those of their own.
pub(super) fn has(arch: Arch) -> bool {
    matches!(arch, Arch::ScmpArchX86 | Arch::ScmpArchS390 | Arch::ScmpArchS390x)
}

/// The number that a call has beside being a part of another one, if it has one.
pub(super) fn number(name: &str, arch: Arch) -> Option<u32> {
    CALLS.iter().find(|(known, _)| has(arch) && *known == name).map(|(_, number)| *number)
}

/// The call that this one was a part of, and as which part.
pub(super) fn whole(raw: i32) -> Option<(&'static str, u64)> {
    // So libseccomp numbers them.
    let part = |base: i32| u64::try_from(base - raw).ok();
    match raw {
        -199..=-101 => Some(("socketcall", part(-100)?)),
        -299..=-201 => Some(("ipc", part(-200)?)),
        _ => None,
    }
}
