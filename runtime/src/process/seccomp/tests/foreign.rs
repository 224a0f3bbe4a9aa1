//! Profiles that nobody wrote with care: they compile or are refused, soon, and what compiles is a filter.

use std::time::{Duration, Instant};

use oci_spec::runtime::{Arch, LinuxSeccomp};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use super::machine::{self, Call};
use crate::process::seccomp::{Filter, architecture};

/// On a busy machine; a hundredth is usual.
const SOON: Duration = Duration::from_secs(30);

const CORPUS: [&str; 3] = [
    include_str!("../../../../../tests/fuzz/corpus/seccomp/allow_list.json"),
    include_str!("../../../../../tests/fuzz/corpus/seccomp/deny_list.json"),
    include_str!("../../../../../tests/fuzz/corpus/seccomp/notify.json"),
];

fn action() -> impl Strategy<Value = &'static str> {
    select(vec![
        "SCMP_ACT_ALLOW",
        "SCMP_ACT_ERRNO",
        "SCMP_ACT_KILL",
        "SCMP_ACT_KILL_PROCESS",
        "SCMP_ACT_LOG",
        "SCMP_ACT_NOTIFY",
        "SCMP_ACT_TRACE",
        "SCMP_ACT_TRAP",
    ])
}

fn name() -> impl Strategy<Value = String> {
    let known =
        select(vec!["read", "getpid", "mkdir", "socket", "clone3", "mseal", "statmount", "cacheflush"]);
    prop_oneof![9 => known.prop_map(str::to_owned), 1 => "[a-z_]{0,6}"]
}

fn condition() -> impl Strategy<Value = Value> {
    let operator = select(vec!["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"]);
    let number = || prop_oneof![0..4_u64, any::<u64>()];
    let index = prop_oneof![50 => 0..6_usize, 1 => Just(6)];
    (index, operator, number(), number()).prop_map(|(index, operator, value, second)| {
        json!({"index": index, "value": value, "valueTwo": second, "op": format!("SCMP_CMP_{operator}")})
    })
}

fn rule() -> impl Strategy<Value = Value> {
    let names = prop::collection::vec(name(), 0..4);
    let conditions = prop::option::weighted(0.4, prop::collection::vec(condition(), 0..7));
    (names, action(), prop::option::weighted(0.02, 0..5000_u32), conditions).prop_map(
        |(names, action, errno, conditions)| {
            json!({"names": names, "action": action, "errnoRet": errno, "args": conditions})
        },
    )
}

fn profile() -> impl Strategy<Value = Value> {
    let architecture =
        select(vec!["X86", "X86_64", "X32", "ARM", "AARCH64", "MIPSEL64N32", "NATIVE", "S390X"]);
    let architectures =
        prop::collection::vec(architecture.prop_map(|name| format!("SCMP_ARCH_{name}")), 0..4);
    (action(), architectures, prop::collection::vec(rule(), 0..16)).prop_map(
        |(default, architectures, rules)| {
            json!({"defaultAction": default, "architectures": architectures, "syscalls": rules})
        },
    )
}

/// Compiles in time or not at all; what comes out passes the kernel's check and answers every call.
fn compile(profile: &LinuxSeccomp, calls: &[(u32, [u64; 6])]) -> Option<Filter> {
    let start = Instant::now();
    let filter = Filter::compile(profile);
    assert!(start.elapsed() < SOON, "{:?} for {profile:?}", start.elapsed());
    let filter = filter.ok()?;
    machine::check(&filter.instructions);
    for arch in architecture::of(profile) {
        for (number, arguments) in calls {
            let call =
                Call { architecture: architecture::audit(arch), number: *number, arguments: *arguments };
            machine::run(&filter.instructions, &call);
        }
    }
    Some(filter)
}

fn calls() -> impl Strategy<Value = Vec<(u32, [u64; 6])>> {
    prop::collection::vec((prop_oneof![0..500_u32, any::<u32>()], any::<[u64; 6]>()), 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_profile_compiles_or_is_refused(profile in profile(), calls in calls()) {
        if let Ok(profile) = serde_json::from_value::<LinuxSeccomp>(profile) {
            compile(&profile, &calls);
        }
    }

    /// The last byte of one profile's text is somewhere in another's, and so on.
    #[test]
    fn damaged_text_compiles_or_is_refused(
        text in select(CORPUS.to_vec()),
        changes in prop::collection::vec((any::<Index>(), 0..4_usize, any::<u8>()), 1..4),
        calls in calls(),
    ) {
        let mut bytes = text.as_bytes().to_vec();
        for (place, removed, added) in changes {
            let start = place.index(bytes.len());
            let end = (start + removed).min(bytes.len());
            bytes.splice(start..end, [added]);
            if bytes.is_empty() {
                break;
            }
        }
        if let Ok(profile) = serde_json::from_slice::<LinuxSeccomp>(&bytes) {
            compile(&profile, &calls);
        }
    }

    /// The answer is the profile's, in the plain case: names alone.
    #[test]
    fn names_decide(allowed in prop::collection::btree_set(0..335_u32, 1..40), number in 0..700_u32) {
        let name = |number: u32| {
            let call = libseccomp::ScmpSyscall::from_raw_syscall(number.cast_signed());
            call.get_name_by_arch(architecture::scmp(Arch::ScmpArchX86_64))
        };
        let names: Vec<String> = allowed.iter().filter_map(|number| name(*number).ok()).collect();
        let rules = json!([{"names": names, "action": "SCMP_ACT_ALLOW"}]);
        let profile = json!({"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": rules});
        let filter = compile(&serde_json::from_value(profile).unwrap(), &[]).unwrap();
        let call = Call { architecture: architecture::audit(Arch::ScmpArchX86_64), number, arguments: [0; 6] };
        let expected = match (allowed.contains(&number), allowed.last()) {
            (true, _) => 0x7fff_0000,
            (false, Some(last)) if number > *last => 0x5_0026,
            _ => 0x5_0001,
        };
        prop_assert_eq!(machine::run(&filter.instructions, &call), expected);
    }
}

#[test]
fn the_corpus_is_of_profiles() {
    for text in CORPUS {
        compile(&serde_json::from_str(text).unwrap(), &[]).unwrap();
    }
}

/// More than libseccomp could put together in a lifetime.
#[test]
fn many_conditions_compile_or_are_refused_soon() {
    let profile = |rules: u64, operator: &str| {
        let conditions = |rule: u64| -> Vec<Value> {
            let operator = format!("SCMP_CMP_{operator}");
            let value = |index| rule * 7919 % 1013 + index;
            (0..6).map(|index| json!({"index": index, "value": value(index), "op": operator})).collect()
        };
        let rule = |rule| json!({"names": ["getpid"], "action": "SCMP_ACT_ERRNO", "args": conditions(rule)});
        let rules: Vec<Value> = (0..rules).map(rule).collect();
        serde_json::from_value(json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules})).unwrap()
    };
    for operator in ["NE", "GT", "LE", "EQ"] {
        assert!(compile(&profile(100, operator), &[]).is_some());
        assert!(compile(&profile(600, operator), &[]).is_none());
    }
}

/// These libseccomp gets, whatever their arguments are.
#[test]
fn many_single_conditions_compile_or_are_refused_soon() {
    let operators = ["NE", "GT", "LE", "EQ", "LT", "GE", "MASKED_EQ"];
    for (rules, distance) in [(40, 1), (300, 7), (4000, 5)] {
        let condition = |rule: usize| {
            let operator = format!("SCMP_CMP_{}", operators[rule * distance % operators.len()]);
            json!([{"index": rule % 6, "value": rule * 7919 % 1013, "valueTwo": 1, "op": operator}])
        };
        let rule = |rule| json!({"names": ["getpid"], "action": "SCMP_ACT_ERRNO", "args": condition(rule)});
        let rules: Vec<Value> = (0..rules).map(rule).collect();
        compile(
            &serde_json::from_value(json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules})).unwrap(),
            &[],
        );
    }
}
