mod conditions;
mod foreign;
mod machine;

use oci_spec::runtime::LinuxSeccomp;
use serde_json::{Value, json};

use super::*;

fn compile(profile: Value) -> Result<Filter, CompileError> {
    Filter::compile(&serde_json::from_value::<LinuxSeccomp>(profile).unwrap())
}

/// A profile of one rule.
fn rule(rule: Value) -> Value {
    json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]})
}

#[test]
fn docker_default_compiles_small_enough_for_the_kernel() {
    for user_namespaces in [false, true] {
        let filter = Filter::compile(&docker_default(user_namespaces).unwrap()).unwrap();
        assert!((200..MAX_INSTRUCTIONS).contains(&filter.length()), "{} instructions", filter.length());
        assert!(filter.is_of(&docker_default(user_namespaces).unwrap()));
        assert!(!filter.is_of(&docker_default(!user_namespaces).unwrap()));
    }
}

#[test]
fn every_action_compiles() {
    for action in ["KILL", "KILL_THREAD", "KILL_PROCESS", "TRAP", "ERRNO", "TRACE", "LOG", "NOTIFY", "ALLOW"]
    {
        let action = format!("SCMP_ACT_{action}");
        let filter = compile(rule(json!({"names": ["mkdir", "mseal"], "action": action}))).unwrap();
        assert_eq!(filter.notifies(), action == "SCMP_ACT_NOTIFY");
    }
}

#[test]
fn every_operator_compiles() {
    for operator in ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"] {
        let argument =
            json!({"index": 5, "value": u64::MAX, "valueTwo": 1, "op": format!("SCMP_CMP_{operator}")});
        compile(rule(json!({"names": ["mkdir"], "action": "SCMP_ACT_TRAP", "args": [argument]}))).unwrap();
    }
}

#[test]
fn architectures_of_this_machine_s_byte_order_compile() {
    let names =
        ["X86", "X86_64", "X32", "ARM", "AARCH64", "MIPSEL", "MIPSEL64", "MIPSEL64N32", "PPC64LE", "RISCV64"];
    let all: Vec<String> = names.iter().map(|name| format!("SCMP_ARCH_{name}")).collect();
    let profile = json!({"defaultAction": "SCMP_ACT_ERRNO", "architectures": all,
        "syscalls": [{"names": ["read", "mseal"], "action": "SCMP_ACT_ALLOW"}]});
    let one = compile(json!({"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_NATIVE"],
        "syscalls": [{"names": ["read", "mseal"], "action": "SCMP_ACT_ALLOW"}]}));
    assert!(compile(profile).unwrap().length() > one.unwrap().length());
}

#[test]
fn flags_are_those_of_the_profile() {
    let bits = |flags: Value, action: &str| {
        let mut profile = rule(json!({"names": ["mkdir"], "action": action}));
        profile["flags"] = flags;
        compile(profile).unwrap().flags
    };
    assert_eq!(bits(Value::Null, "SCMP_ACT_ERRNO"), 0);
    let all =
        json!(["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]);
    assert_eq!(bits(all.clone(), "SCMP_ACT_ERRNO"), 0b111);
    assert_eq!(bits(all, "SCMP_ACT_NOTIFY"), 0b1_1111);
    assert_eq!(bits(json!(["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]), "SCMP_ACT_NOTIFY"), 0b10_1000);
    let plain = compile(rule(json!({"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}))).unwrap();
    assert_eq!(plain.with_speculation().flags, 0b100);
}

#[test]
fn the_listener_s_place_is_kept_for_the_caller() {
    let mut profile = rule(json!({"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}));
    profile["listenerPath"] = json!("/run/agent");
    profile["listenerMetadata"] = json!("data");
    let filter = compile(profile).unwrap();
    assert!(!filter.notifies());
    assert_eq!(filter.listener_path(), Some(Path::new("/run/agent")));
    assert_eq!(filter.listener_metadata(), Some("data"));
}

#[test]
fn what_cannot_be_carried_out_is_refused_by_name() {
    let argument = |index: u32| json!([{"index": index, "value": 1, "op": "SCMP_CMP_EQ"}]);
    let many: Vec<String> = (0..5000).map(|number| format!("call-{number}")).collect();
    let refused = [
        (json!({"defaultAction": "SCMP_ACT_NOTIFY"}), "SCMP_ACT_NOTIFY cannot be used as default action"),
        (
            rule(json!({"names": ["read", "write"], "action": "SCMP_ACT_NOTIFY"})),
            "SCMP_ACT_NOTIFY cannot be used for the write syscall",
        ),
        (json!({"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1}), "seccomp.defaultErrnoRet`"),
        (json!({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 4096}), "seccomp.defaultErrnoRet`"),
        (
            json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_M68K"]}),
            "seccomp.architectures`: SCMP_ARCH_M68K",
        ),
        (
            json!({"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]}),
            "seccomp.flags`",
        ),
        (rule(json!({"names": [""], "action": "SCMP_ACT_ERRNO"})), "seccomp.syscalls.names`"),
        (
            rule(json!({"names": ["read"], "action": "SCMP_ACT_KILL", "errnoRet": 1})),
            "seccomp.syscalls.errnoRet`: 1 beside SCMP_ACT_KILL",
        ),
        (
            rule(json!({"names": ["read"], "action": "SCMP_ACT_ERRNO", "args": argument(6)})),
            "seccomp.syscalls.args.index`: 6",
        ),
        (rule(json!({"names": many, "action": "SCMP_ACT_ERRNO"})), "seccomp.syscalls`: 5000 rules"),
    ];
    for (profile, message) in refused {
        let error = compile(profile).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn unknown_words_are_no_profile() {
    for (field, value) in [
        ("architectures", json!(["SCMP_ARCH_ABACUS"])),
        ("flags", json!(["SECCOMP_FILTER_FLAG_NEW_LISTENER"])),
        ("defaultAction", json!("SCMP_ACT_SHRUG")),
    ] {
        let mut profile = json!({"defaultAction": "SCMP_ACT_ALLOW"});
        profile[field] = value;
        let error = serde_json::from_value::<LinuxSeccomp>(profile).unwrap_err();
        assert!(error.to_string().contains("unknown variant"), "{error}");
    }
}

#[test]
fn names_that_nobody_knows_change_nothing() {
    let plain = compile(rule(json!({"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}))).unwrap();
    let more =
        compile(rule(json!({"names": ["mkdir", "no_such_call"], "action": "SCMP_ACT_ERRNO"}))).unwrap();
    assert_eq!(more.instructions, plain.instructions);
}
