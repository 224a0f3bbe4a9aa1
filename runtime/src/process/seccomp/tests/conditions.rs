//! What conditions mean: our instructions, libseccomp's and plain arithmetic agree.

use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompOperator};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::machine::{self, Call};
use crate::process::seccomp::{Filter, architecture};

const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;

/// Few values, so that comparisons come out both ways, in both halves.
fn value() -> impl Strategy<Value = u64> {
    (select(vec![0_u64, 1, 2, 0xffff_ffff]), select(vec![0_u64, 1, 0xffff_ffff]))
        .prop_map(|(low, high)| high << 32 | low)
}

/// At most one for each argument, in any order.
fn conditions() -> impl Strategy<Value = Vec<Value>> {
    let operator = select(vec!["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"]);
    let one = (operator, value(), value());
    let places = Just((0..6_usize).collect::<Vec<_>>()).prop_shuffle();
    (places, prop::collection::vec(one, 1..5)).prop_map(|(places, all)| {
        let condition = |(index, (operator, value, second))| {
            json!({"index": index, "value": value, "valueTwo": second, "op": format!("SCMP_CMP_{operator}")})
        };
        places.into_iter().zip(all).map(condition).collect()
    })
}

fn rule(name: &str, errno: usize, conditions: &[Value]) -> Value {
    json!({"names": [name], "action": "SCMP_ACT_ERRNO", "errnoRet": errno, "args": conditions})
}

fn profile(rules: Vec<Value>) -> LinuxSeccomp {
    let architectures = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"];
    serde_json::from_value(
        json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": architectures, "syscalls": rules}),
    )
    .unwrap()
}

fn answer(filter: &Filter, arch: Arch, number: u32, arguments: [u64; 6]) -> u32 {
    machine::run(&filter.instructions, &Call { architecture: architecture::audit(arch), number, arguments })
}

fn holds(condition: &LinuxSeccompArg, arguments: [u64; 6], wide: bool) -> bool {
    let cut = |value: u64| if wide { value } else { value & 0xffff_ffff };
    let (argument, value) = (cut(arguments[condition.index()]), cut(condition.value()));
    match condition.op() {
        LinuxSeccompOperator::ScmpCmpNe => argument != value,
        LinuxSeccompOperator::ScmpCmpLt => argument < value,
        LinuxSeccompOperator::ScmpCmpLe => argument <= value,
        LinuxSeccompOperator::ScmpCmpEq => argument == value,
        LinuxSeccompOperator::ScmpCmpGe => argument >= value,
        LinuxSeccompOperator::ScmpCmpGt => argument > value,
        LinuxSeccompOperator::ScmpCmpMaskedEq => {
            argument & value == cut(condition.value_two().unwrap_or(0)) & value
        }
    }
}

/// The first rule that holds.
fn model(profile: &LinuxSeccomp, arguments: [u64; 6], wide: bool) -> u32 {
    let mut rules = profile.syscalls().iter().flatten();
    let met = rules.find(|rule| rule.args().iter().flatten().all(|one| holds(one, arguments, wide)));
    met.and_then(|rule| rule.errno_ret()).map_or(ALLOW, |errno| ERRNO | errno)
}

fn arguments() -> impl Strategy<Value = [u64; 6]> {
    prop::array::uniform6(value())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_first_rule_that_holds_answers(
        rules in prop::collection::vec(conditions(), 2..6),
        calls in prop::collection::vec(arguments(), 20),
    ) {
        let rules = rules.iter().enumerate().map(|(number, one)| rule("mkdir", number + 70, one)).collect();
        let profile = profile(rules);
        let filter = Filter::compile(&profile).unwrap();
        machine::check(&filter.instructions);
        let involved = profile.syscalls().iter().flatten().any(|rule| rule.args().iter().flatten().count() > 1);
        for arguments in calls.into_iter().filter(|_| involved) {
            prop_assert_eq!(answer(&filter, Arch::ScmpArchX86_64, 83, arguments), model(&profile, arguments, true));
            prop_assert_eq!(answer(&filter, Arch::ScmpArchX86, 39, arguments), model(&profile, arguments, false));
        }
    }

    /// Twice the same is decided by us, once by libseccomp.
    #[test]
    fn libseccomp_understands_a_rule_alike(
        conditions in conditions(),
        calls in prop::collection::vec(arguments(), 20),
    ) {
        for (name, numbers) in [("mkdir", [83, 39]), ("socket", [41, 359])] {
            let one = rule(name, 70, &conditions);
            let theirs = Filter::compile(&profile(vec![one.clone()])).unwrap();
            let ours = Filter::compile(&profile(vec![one.clone(), one])).unwrap();
            for arguments in &calls {
                for (arch, number) in [Arch::ScmpArchX86_64, Arch::ScmpArchX86].into_iter().zip(numbers) {
                    prop_assert_eq!(answer(&ours, arch, number, *arguments), answer(&theirs, arch, number, *arguments));
                }
            }
        }
    }
}

#[test]
fn a_rule_without_conditions_takes_the_others_in() {
    let condition =
        json!([{"index": 0, "value": 1, "op": "SCMP_CMP_LE"}, {"index": 1, "value": 1, "op": "SCMP_CMP_EQ"}]);
    let conditional = rule("mkdir", 70, condition.as_array().unwrap());
    let plain = rule("mkdir", 80, &[]);
    for rules in [vec![conditional.clone(), plain.clone()], vec![plain, conditional.clone(), conditional]] {
        let filter = Filter::compile(&profile(rules)).unwrap();
        assert_eq!(answer(&filter, Arch::ScmpArchX86_64, 83, [1; 6]), ERRNO | 80);
    }
}

#[test]
fn the_first_of_two_answers_to_one_condition_stands() {
    let condition = json!([{"index": 2, "value": 5, "op": "SCMP_CMP_GE"}]);
    let rules = [70, 71].map(|errno| rule("mkdir", errno, condition.as_array().unwrap())).to_vec();
    let filter = Filter::compile(&profile(rules)).unwrap();
    assert_eq!(answer(&filter, Arch::ScmpArchX86_64, 83, [5; 6]), ERRNO | 70);
    assert_ne!(answer(&filter, Arch::ScmpArchX86_64, 83, [4; 6]), ERRNO | 70);
}

/// The arguments of a part lie in memory, so under conditions it is refused whole and allowed never.
#[test]
fn parts_of_other_calls_are_refused_whole() {
    let condition =
        json!([{"index": 0, "value": 1, "op": "SCMP_CMP_LE"}, {"index": 1, "value": 1, "op": "SCMP_CMP_EQ"}]);
    let conditions = condition.as_array().unwrap();
    let refusing = profile(vec![rule("socket", 70, conditions), rule("socket", 71, conditions)]);
    let allow = json!({"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": conditions});
    let mut allowing = profile(vec![allow.clone(), allow]);
    allowing.set_default_action(LinuxSeccompAction::ScmpActErrno);
    let part = |profile: &LinuxSeccomp, part| {
        answer(&Filter::compile(profile).unwrap(), Arch::ScmpArchX86, 102, [part, 0, 0, 0, 0, 0])
    };
    assert_eq!([part(&refusing, 1), part(&refusing, 2)], [ERRNO | 70, ALLOW]);
    assert_eq!([part(&allowing, 1), part(&allowing, 2)], [ERRNO | 1; 2]);
    let socket = |number, arch| answer(&Filter::compile(&allowing).unwrap(), arch, number, [1; 6]);
    assert_eq!([socket(359, Arch::ScmpArchX86), socket(41, Arch::ScmpArchX86_64)], [ALLOW; 2]);
}

#[test]
fn conditions_on_newer_calls_count() {
    let condition = json!([{"index": 1, "value": 4096, "op": "SCMP_CMP_GT"}]);
    let filter = Filter::compile(&profile(vec![rule("mseal", 70, condition.as_array().unwrap())])).unwrap();
    assert_eq!(answer(&filter, Arch::ScmpArchX86, 462, [4097; 6]), ERRNO | 70);
    assert_eq!(answer(&filter, Arch::ScmpArchX86_64, 462, [4096; 6]), ALLOW);
}

/// libseccomp 2.5.4 never ends over these two.
#[test]
fn inequalities_before_different_arguments_compile() {
    let second = |index| json!([{"index": 0, "value": 2, "op": "SCMP_CMP_LE"}, {"index": index, "value": 5, "op": "SCMP_CMP_EQ"}]);
    let rules = [1, 3].map(|index| rule("mkdir", 70, second(index).as_array().unwrap()));
    let filter = Filter::compile(&profile(rules.to_vec())).unwrap();
    assert_eq!(answer(&filter, Arch::ScmpArchX86_64, 83, [2, 0, 0, 5, 0, 0]), ERRNO | 70);
    assert_eq!(answer(&filter, Arch::ScmpArchX86_64, 83, [2, 0, 5, 0, 0, 0]), ALLOW);
}
