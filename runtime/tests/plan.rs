//! Which specs become plans. Needs no root.
#![expect(clippy::unwrap_used, reason = "tests")]

use oci_spec::runtime::{LinuxNamespaceType, Spec};
use proptest::prelude::*;
use sandlot_runtime::container::machine::spec_for;
use sandlot_runtime::spec::{Plan, SpecError};
use sandlot_runtime::supervisor::protocol::{Limits, Login, Machine};
use serde_json::{Value, json};

fn machine() -> Machine {
    Machine {
        index: 0.try_into().unwrap(),
        hostname: "m1".to_owned().try_into().unwrap(),
        layers: vec!["a".repeat(64).try_into().unwrap()],
        limits: Limits {
            memory_bytes: 1 << 30,
            swap_bytes: 0,
            cpu_millis: 1000,
            pids: 100,
            disk_bytes: 1 << 30,
            io_bytes_per_second: None,
        },
        login: Login::Root,
        no_new_privileges: false,
        user_namespaces: false,
        net_admin: false,
    }
}

/// The machine's spec with `value` at a JSON pointer, the way a document would bring it.
fn plan_with(pointer: &str, value: Value) -> Result<Plan, SpecError> {
    let mut document = serde_json::to_value(spec_for(&machine()).unwrap()).unwrap();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap();
    match parent {
        Value::Array(list) => list.push(value),
        parent => parent[name] = value,
    }
    Plan::contained(&serde_json::from_value::<Spec>(document).unwrap())
}

#[test]
fn a_machine_makes_a_plan() {
    let plan = Plan::contained(&spec_for(&machine()).unwrap()).unwrap();
    assert_eq!(plan.hostname(), Some("m1"));
    assert_eq!(plan.process().capabilities.bounding, 0xa804_25fb);
    assert!(plan.seccomp().is_some());
    assert!(!plan.process().no_new_privileges);
}

#[test]
fn unsupported_fields_are_refused_by_name() {
    let cases = [
        ("/hooks", json!({}), "hooks"),
        ("/domainname", json!("example.org"), "domainname"),
        ("/process/terminal", json!(true), "process.terminal"),
        ("/process/apparmorProfile", json!("p"), "process.apparmorProfile"),
        ("/process/oomScoreAdj", json!(-900), "process.oomScoreAdj"),
        ("/process/selinuxLabel", json!("l"), "process.selinuxLabel"),
        ("/process/user/username", json!("u"), "process.user.username"),
        ("/process/capabilities/ambient", json!(["CAP_CHOWN"]), "process.capabilities.ambient"),
        ("/process/capabilities/inheritable", json!(["CAP_CHOWN"]), "process.capabilities.inheritable"),
        ("/linux/uidMappings", json!([]), "linux.uidMappings"),
        ("/linux/resources", json!({}), "linux.resources"),
        ("/linux/cgroupsPath", json!("/x"), "linux.cgroupsPath"),
        ("/linux/rootfsPropagation", json!("shared"), "linux.rootfsPropagation"),
        ("/linux/mountLabel", json!("l"), "linux.mountLabel"),
        ("/linux/seccomp/listenerPath", json!("/run/x"), "linux.seccomp.listenerPath"),
        ("/linux/seccomp/defaultAction", json!("SCMP_ACT_NOTIFY"), "linux.seccomp.defaultAction"),
    ];
    for (pointer, value, name) in cases {
        assert_eq!(plan_with(pointer, value), Err(SpecError::Unsupported(name.to_owned())), "{pointer}");
    }
}

#[test]
fn nothing_of_the_host_can_be_mounted_or_joined() {
    for kind in ["bind", "none", "ext4", "overlay", "debugfs", "9p"] {
        let mount = json!({"destination": "/mnt", "type": kind, "source": "/"});
        assert!(
            matches!(plan_with("/mounts/-", mount), Err(SpecError::Invalid { field: "mounts.type", .. })),
            "{kind}"
        );
    }
    let options = json!({"destination": "/mnt", "type": "tmpfs", "options": ["huge=always"]});
    assert!(matches!(
        plan_with("/mounts/-", options),
        Err(SpecError::Invalid { field: "mounts.options", .. })
    ));
    let joined = json!({"type": "network", "path": "/proc/1/ns/net"});
    let refused = Err(SpecError::Unsupported("linux.namespaces.path".to_owned()));
    assert_eq!(plan_with("/linux/namespaces/-", joined), refused);
}

#[test]
fn every_namespace_must_be_there() {
    for kind in ["user", "pid", "mount", "network", "ipc", "uts", "cgroup"] {
        let mut spec = spec_for(&machine()).unwrap();
        let kind = LinuxNamespaceType::try_from(kind).unwrap();
        let linux = spec.linux_mut().as_mut().unwrap();
        let others =
            linux.namespaces().iter().flatten().filter(|one| one.typ() != kind).cloned().collect::<Vec<_>>();
        linux.set_namespaces(Some(others));
        assert!(
            matches!(Plan::contained(&spec), Err(SpecError::Invalid { field: "linux.namespaces", .. })),
            "{kind}"
        );
    }
}

#[test]
fn settings_of_the_host_are_refused() {
    for name in [
        "kernel.core_pattern",
        "vm.overcommit_memory",
        "net.ipv4/../../kernel.sysrq",
        "net...x",
        "kernel.hostname",
    ] {
        let plan = plan_with("/linux/sysctl", json!({name: "1"}));
        let refused =
            matches!(plan, Err(SpecError::Invalid { field: "linux.sysctl", .. } | SpecError::Conflict(_)));
        assert!(refused, "{name}");
    }
}

#[test]
fn a_message_names_field_value_and_rule() {
    let error = plan_with("/process/user/uid", json!(65_536)).unwrap_err();
    assert_eq!(error.to_string(), "spec field `process.user.uid`: `65536` must be at most 65535");
}

proptest! {
    /// Paths become part of a plan only as they are: absolute, and with nothing but names in them.
    #[test]
    fn only_plain_paths_are_taken(path in "(/|\\.|\\.\\.|a|\\PC){0,12}") {
        let plan = plan_with("/process/cwd", json!(path));
        let plain = path.starts_with('/') && path.split('/').all(|name| name != "..") && !path.contains('\0');
        prop_assert_eq!(plan.is_ok(), plain, "{}", path);
    }

    /// Ids outside the session's range never get into a plan.
    #[test]
    fn only_mapped_ids_are_taken(uid: u32, gid: u32) {
        let plan = plan_with("/process/user", json!({"uid": uid, "gid": gid}));
        prop_assert_eq!(plan.is_ok(), uid <= 65_535 && gid <= 65_535);
    }

    /// Whatever stands in a text, a plan is made or refused.
    #[test]
    fn texts_are_taken_or_refused(text in "\\PC{0,40}|[\\x00-\\x20=]{0,6}") {
        for pointer in ["/hostname", "/process/args/-", "/process/env/-", "/linux/maskedPaths/-"] {
            let plan = plan_with(pointer, json!(text));
            prop_assert!(plan.is_err() || !text.contains('\0'));
        }
    }

    /// A soft limit above its hard one is refused, every other pair is taken.
    #[test]
    fn limits_are_in_order(soft: u64, hard: u64) {
        let limit = json!({"type": "RLIMIT_NOFILE", "soft": soft, "hard": hard});
        prop_assert_eq!(plan_with("/process/rlimits", json!([limit])).is_ok(), soft <= hard);
    }
}
