//! The document itself, as data: fields in the order in which they are written.

use std::collections::BTreeMap;

use serde::Serialize;

type Names = &'static [&'static str];

/// The features structure, only to be written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Features {
    pub(super) oci_version_min: &'static str,
    pub(super) oci_version_max: &'static str,
    pub(super) hooks: Names,
    pub(super) mount_options: Vec<String>,
    pub(super) linux: Linux,
    pub(super) annotations: BTreeMap<&'static str, String>,
    pub(super) potentially_unsafe_config_annotations: Names,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Linux {
    pub(super) namespaces: Names,
    pub(super) capabilities: Names,
    pub(super) cgroup: Cgroup,
    pub(super) seccomp: Seccomp,
    pub(super) apparmor: Enabled,
    pub(super) selinux: Enabled,
    pub(super) intel_rdt: Enabled,
    pub(super) mount_extensions: MountExtensions,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cgroup {
    pub(super) v1: bool,
    pub(super) v2: bool,
    pub(super) systemd: bool,
    pub(super) systemd_user: bool,
    pub(super) rdma: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Seccomp {
    pub(super) enabled: bool,
    pub(super) actions: Names,
    pub(super) operators: Names,
    pub(super) archs: Names,
    pub(super) known_flags: Vec<&'static str>,
    pub(super) supported_flags: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
pub(super) struct MountExtensions {
    pub(super) idmap: Enabled,
}

#[derive(Debug, Serialize)]
pub(super) struct Enabled {
    pub(super) enabled: bool,
}
