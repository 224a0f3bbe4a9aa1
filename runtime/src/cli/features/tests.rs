use oci_spec::runtime::{
    Arch, Capability, LinuxNamespaceType, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompFilterFlag,
    LinuxSeccompOperator,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::process::seccomp::Filter;

fn document() -> Value {
    let mut text = Vec::new();
    write(&mut text, &["ro", "bind", "acl", "ro"]).unwrap();
    assert!(text.starts_with(b"{\n    \"ociVersionMin\": \"1.0.0\",\n    \"ociVersionMax\": \"1.2.0\",\n"));
    assert!(text.ends_with(b"\n}\n"));
    serde_json::from_slice(&text).unwrap()
}

/// Each name is one that the reading type takes, and they are in order.
fn read<T: DeserializeOwned>(names: &[&str]) -> Vec<T> {
    assert!(names.is_sorted(), "{names:?}");
    names.iter().map(|name| serde_json::from_value(json!(name)).unwrap()).collect()
}

/// Every key of runc 1.1.5's own answer, and those that came later.
#[test]
fn the_shape_is_that_of_the_specification() {
    let document = document();
    for pointer in [
        "/hooks/5",
        "/linux/cgroup/v1",
        "/linux/cgroup/v2",
        "/linux/cgroup/systemd",
        "/linux/cgroup/systemdUser",
        "/linux/cgroup/rdma",
        "/linux/seccomp/enabled",
        "/linux/seccomp/knownFlags/3",
        "/linux/seccomp/supportedFlags/0",
        "/linux/apparmor/enabled",
        "/linux/selinux/enabled",
        "/linux/intelRdt/enabled",
        "/linux/mountExtensions/idmap/enabled",
        "/annotations/io.github.seccomp.libseccomp.version",
        "/potentiallyUnsafeConfigAnnotations/0",
    ] {
        assert!(document.pointer(pointer).is_some_and(|value| !value.is_null()), "{pointer}");
    }
    assert_eq!(document["mountOptions"], json!(["acl", "bind", "ro"]));
    let read: oci_spec::runtime::Features = serde_json::from_value(document).unwrap();
    assert_eq!(read.oci_version_max(), "1.2.0");
}

#[test]
fn every_word_can_be_read() {
    read::<LinuxNamespaceType>(names::NAMESPACES);
    read::<LinuxSeccompAction>(names::ACTIONS);
    read::<LinuxSeccompOperator>(names::OPERATORS);
    let flags: Vec<&str> = names::FLAGS.iter().map(|(name, _)| *name).collect();
    read::<LinuxSeccompFilterFlag>(&flags);
    let capabilities: std::collections::HashSet<Capability> =
        names::CAPABILITIES.iter().map(|name| serde_json::from_value(json!(name)).unwrap()).collect();
    assert_eq!(capabilities.len(), 41);
}

#[test]
fn a_filter_takes_every_architecture_of_this_byte_order() {
    for arch in read::<Arch>(names::ARCHITECTURES) {
        let profile = json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": [arch]});
        let profile: LinuxSeccomp = serde_json::from_value(profile).unwrap();
        let big = matches!(
            arch,
            Arch::ScmpArchMips
                | Arch::ScmpArchMips64
                | Arch::ScmpArchMips64n32
                | Arch::ScmpArchParisc
                | Arch::ScmpArchParisc64
                | Arch::ScmpArchPpc
                | Arch::ScmpArchPpc64
                | Arch::ScmpArchS390
                | Arch::ScmpArchS390x
        );
        assert_eq!(Filter::compile(&profile).is_ok(), big == cfg!(target_endian = "big"), "{arch}");
    }
}

#[test]
fn this_kernel_takes_what_linux_6_1_does() {
    assert_eq!(document()["linux"]["seccomp"]["supportedFlags"].as_array().map(Vec::len), Some(4));
    assert!(!works(1 << 31));
}
