//! Calls that a profile cannot know do not exist.

use nix::libc::{EINVAL, ENOSYS, EPERM, SIGSYS};
use serde_json::{Value, json};

use crate::Test;
use crate::child::{Ended, compile, filter, run};
use crate::program::{amd64, i386};

pub(crate) const TESTS: &[Test] = &[
    ("calls_beyond_the_profile_do_not_exist", calls_beyond_the_profile_do_not_exist),
    ("known_calls_are_refused_as_the_profile_says", known_calls_are_refused_as_the_profile_says),
    ("names_newer_than_libseccomp_count", names_newer_than_libseccomp_count),
    ("each_architecture_has_its_own_end", each_architecture_has_its_own_end),
    ("whoever_allows_by_default_is_left_alone", whoever_allows_by_default_is_left_alone),
];

const STATMOUNT: u32 = 457;
const MSEAL: u32 = 462;
const FUTURE: u32 = 600;

fn allow(names: &[&str]) -> Value {
    json!({"names": names, "action": "SCMP_ACT_ALLOW"})
}

fn ends(default: &str, rules: &[Value], number: u32) -> Ended {
    run(&filter(default, rules), &amd64(number, [0, 0]))
}

fn calls_beyond_the_profile_do_not_exist() {
    // The last that is named is execveat, 322.
    for default in ["SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP"] {
        for number in [323, 435, 450, 451, STATMOUNT, FUTURE, 0x3fff_ffff] {
            assert_eq!(ends(default, &[], number), Ended::With(ENOSYS), "{default} {number}");
        }
    }
}

fn known_calls_are_refused_as_the_profile_says() {
    assert_eq!(ends("SCMP_ACT_ERRNO", &[], 321), Ended::With(EPERM));
    assert_eq!(ends("SCMP_ACT_KILL", &[], 321), Ended::By(SIGSYS));
    // faccessat2 is 439, clone3 435.
    assert_eq!(ends("SCMP_ACT_ERRNO", &[allow(&["faccessat2"])], 435), Ended::With(EPERM));
    assert_eq!(ends("SCMP_ACT_ERRNO", &[allow(&["faccessat2"])], 440), Ended::With(ENOSYS));
}

fn names_newer_than_libseccomp_count() {
    // An address that is not at the start of a page.
    let sealing = amd64(MSEAL, [1, 0]);
    if run(&filter("SCMP_ACT_ALLOW", &[]), &sealing) == Ended::With(ENOSYS) {
        return print!("(skipped: this kernel is older than mseal) ");
    }
    let refusing = json!({"names": ["mseal"], "action": "SCMP_ACT_ERRNO", "errnoRet": 55});
    assert_eq!(run(&filter("SCMP_ACT_ERRNO", &[allow(&["mseal"])]), &sealing), Ended::With(EINVAL));
    assert_eq!(run(&filter("SCMP_ACT_ERRNO", std::slice::from_ref(&refusing)), &sealing), Ended::With(55));
    assert_eq!(run(&filter("SCMP_ACT_ALLOW", &[refusing]), &sealing), Ended::With(55));
    // Its neighbours are still nothing.
    assert_eq!(ends("SCMP_ACT_ERRNO", &[allow(&["mseal"])], STATMOUNT), Ended::With(ENOSYS));
    assert_eq!(ends("SCMP_ACT_ERRNO", &[allow(&["mseal"])], MSEAL + 1), Ended::With(ENOSYS));
}

fn each_architecture_has_its_own_end() {
    let profile = |names: &[&str]| {
        compile(json!({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [allow(names)], "architectures":
            ["SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]}))
    };
    // execveat is 358 here.
    let end = |number| run(&profile(&["getpid"]), &i386(number, [0, 0]));
    if end(20) == Ended::NotStarted {
        return print!("(skipped: this kernel does not run 32-bit programs) ");
    }
    assert_eq!(end(357), Ended::With(EPERM));
    assert_eq!(end(359), Ended::With(ENOSYS));
    assert_eq!(end(FUTURE), Ended::With(ENOSYS));
    // exit_group is 231 in x32, where execveat lies beyond the numbers that all share.
    let x32 = |number| run(&profile(&["getpid"]), &amd64(0x4000_0000 | number, [0, 0]));
    assert_eq!(x32(230), Ended::With(EPERM));
    assert_eq!(x32(FUTURE), Ended::With(ENOSYS));
}

fn whoever_allows_by_default_is_left_alone() {
    // The answer of a profile that denies a few is the kernel's own.
    let profile = |default| json!({"defaultAction": default, "defaultErrnoRet": null, "syscalls": []});
    for default in ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG"] {
        assert_eq!(run(&compile(profile(default)), &amd64(FUTURE, [0, 0])), Ended::With(ENOSYS));
        assert_eq!(run(&compile(profile(default)), &amd64(435, [0, 0])), Ended::With(EINVAL));
    }
}
