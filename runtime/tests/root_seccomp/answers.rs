//! What a call gets: each action, each operator, each architecture.

use nix::libc::{ENOSYS, EPERM, SIGILL, SIGSYS};
use serde_json::{Value, json};

use crate::Test;
use crate::child::{Ended, compile, filter, run};
use crate::program::{amd64, i386};

pub(crate) const TESTS: &[Test] = &[
    ("each_action_does_what_it_says", each_action_does_what_it_says),
    ("errors_have_the_number_of_the_profile", errors_have_the_number_of_the_profile),
    ("each_operator_compares_all_bits", each_operator_compares_all_bits),
    ("conditions_hold_together_or_each_by_itself", conditions_hold_together_or_each_by_itself),
    ("programs_of_32_bits_have_their_own_numbers", programs_of_32_bits_have_their_own_numbers),
    ("x32_is_an_architecture_of_its_own", x32_is_an_architecture_of_its_own),
    ("flags_are_taken_by_the_kernel", flags_are_taken_by_the_kernel),
    ("dockers_profile_lets_programs_run", dockers_profile_lets_programs_run),
];

const ALARM: u32 = 37;
const GETPRIORITY: u32 = 140;
const GETPID: u32 = 39;
const X32: u32 = 0x4000_0000;

fn rule(name: &str, action: &str) -> Value {
    json!({"names": [name], "action": action})
}

fn each_action_does_what_it_says() {
    let ends = [
        ("SCMP_ACT_ALLOW", Ended::With(0)),
        ("SCMP_ACT_LOG", Ended::With(0)),
        ("SCMP_ACT_ERRNO", Ended::With(EPERM)),
        // Nobody traces it.
        ("SCMP_ACT_TRACE", Ended::With(ENOSYS)),
        ("SCMP_ACT_TRAP", Ended::By(SIGSYS)),
        ("SCMP_ACT_KILL", Ended::By(SIGSYS)),
        ("SCMP_ACT_KILL_THREAD", Ended::By(SIGSYS)),
        ("SCMP_ACT_KILL_PROCESS", Ended::By(SIGSYS)),
    ];
    for (action, end) in ends {
        let program = amd64(ALARM, [0, 0]);
        let default = if action == "SCMP_ACT_ALLOW" { "SCMP_ACT_ERRNO" } else { "SCMP_ACT_ALLOW" };
        assert_eq!(run(&filter(default, &[rule("alarm", action)]), &program), end, "{action}");
        let default = json!({"defaultAction": action, "syscalls": [rule("getppid", "SCMP_ACT_ALLOW")]});
        assert_eq!(run(&compile(default), &program), end, "{action} by default");
    }
}

fn errors_have_the_number_of_the_profile() {
    let mut profile = json!({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 6, "syscalls": [
        {"names": ["getppid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 55},
        {"names": ["prctl"], "action": "SCMP_ACT_ERRNO"}
    ]});
    profile["architectures"] = json!(["SCMP_ARCH_X86_64"]);
    let filter = compile(profile);
    assert_eq!(run(&filter, &amd64(ALARM, [0, 0])), Ended::With(6));
    assert_eq!(run(&filter, &amd64(110, [0, 0])), Ended::With(55));
    assert_eq!(run(&filter, &amd64(157, [0, 0])), Ended::With(EPERM));
}

fn each_operator_compares_all_bits() {
    let high = 1_u64 << 32;
    // Operator, value, second value, argument, whether the rule is for it.
    let cases = [
        ("EQ", high + 7, 0, high + 7, true),
        ("EQ", high + 7, 0, 7, false),
        ("NE", high, 0, 0, true),
        ("NE", high, 0, high, false),
        ("LT", high, 0, high - 1, true),
        ("LT", high, 0, high, false),
        ("LE", high, 0, high, true),
        ("LE", high, 0, high + 1, false),
        ("GE", high, 0, high, true),
        ("GE", high, 0, high - 1, false),
        ("GT", high, 0, high + 1, true),
        ("GT", high, 0, high, false),
        ("MASKED_EQ", high | 0xff, high | 1, high | 0xff01, true),
        ("MASKED_EQ", high | 0xff, high | 1, 1, false),
    ];
    for (operator, value, second, argument, holds) in cases {
        let condition =
            json!({"index": 0, "value": value, "valueTwo": second, "op": format!("SCMP_CMP_{operator}")});
        let rule =
            json!({"names": ["alarm"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77, "args": [condition]});
        let end = run(&filter("SCMP_ACT_ALLOW", &[rule]), &amd64(ALARM, [argument, 0]));
        assert_eq!(end == Ended::With(77), holds, "{operator} {value:x} {argument:x}: {end:?}");
    }
}

fn conditions_hold_together_or_each_by_itself() {
    let ends = |second_index: u32, arguments| {
        let conditions = json!([{"index": 0, "value": 100, "op": "SCMP_CMP_EQ"},
            {"index": second_index, "value": 9001, "op": "SCMP_CMP_EQ"}]);
        let rule = json!({"names": ["getpriority"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77,
            "args": conditions});
        run(&filter("SCMP_ACT_ALLOW", &[rule]), &amd64(GETPRIORITY, arguments)) == Ended::With(77)
    };
    assert!(ends(1, [100, 9001]));
    assert!(!ends(1, [100, 1]));
    assert!(!ends(1, [1, 9001]));
    assert!(ends(0, [100, 1]));
    assert!(ends(0, [9001, 1]));
    assert!(!ends(0, [1, 1]));
}

fn programs_of_32_bits_have_their_own_numbers() {
    let open = filter("SCMP_ACT_ALLOW", &[]);
    let with = |architectures: Value| {
        let mut refusing = rule("mkdir", "SCMP_ACT_ERRNO");
        refusing["errnoRet"] = json!(77);
        compile(
            json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": architectures, "syscalls": [refusing]}),
        )
    };
    let both = with(json!(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]));
    let (amd64_mkdir, i386_mkdir) = (amd64(83, [0, 0]), i386(39, [0, 0]));
    assert_eq!(run(&both, &amd64_mkdir), Ended::With(77));
    if run(&with(json!(["SCMP_ARCH_X86"])), &i386_mkdir) == Ended::NotStarted {
        return print!("(without 32-bit programs, which this kernel does not run) ");
    }
    assert_eq!(run(&both, &i386_mkdir), Ended::With(77));
    // The number of the other architecture's mkdir is another call here.
    assert_ne!(run(&both, &i386(83, [0, 0])), Ended::With(77));
    // It may not even exit; its next instruction is none.
    assert_eq!(run(&open, &i386_mkdir), Ended::By(SIGILL));
}

fn x32_is_an_architecture_of_its_own() {
    let mut refusing = rule("getpid", "SCMP_ACT_ERRNO");
    refusing["errnoRet"] = json!(77);
    let with = |architectures: Value| {
        compile(json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": architectures,
            "syscalls": [refusing.clone()]}))
    };
    let call = amd64(X32 | GETPID, [0, 0]);
    assert_eq!(run(&with(json!(["SCMP_ARCH_X86_64", "SCMP_ARCH_X32"])), &call), Ended::With(77));
    assert_eq!(run(&with(json!(["SCMP_ARCH_X86_64"])), &call), Ended::With(ENOSYS));
}

fn flags_are_taken_by_the_kernel() {
    let log = "SECCOMP_FILTER_FLAG_LOG";
    for flags in [
        vec![],
        vec![log],
        vec!["SECCOMP_FILTER_FLAG_TSYNC"],
        vec!["SECCOMP_FILTER_FLAG_SPEC_ALLOW"],
        vec![log, "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"],
    ] {
        let filter = compile(json!({"defaultAction": "SCMP_ACT_ALLOW", "flags": flags,
            "syscalls": [rule("alarm", "SCMP_ACT_ERRNO")]}));
        assert_eq!(run(&filter, &amd64(ALARM, [0, 0])), Ended::With(EPERM), "{flags:?}");
    }
}

fn dockers_profile_lets_programs_run() {
    let profile = sandlot_runtime::process::seccomp::docker_default(false).unwrap();
    let filter = sandlot_runtime::process::seccomp::Filter::compile(&profile).unwrap().with_speculation();
    assert_eq!(run(&filter, &amd64(ALARM, [0, 0])), Ended::With(0));
    // keyctl, clone3, io_uring_setup, a call of the future
    for (number, errno) in [(250, EPERM), (435, ENOSYS), (425, EPERM), (600, ENOSYS)] {
        assert_eq!(run(&filter, &amd64(number, [0, 0])), Ended::With(errno), "{number}");
    }
}
