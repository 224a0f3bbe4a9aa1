//! What this runtime can do, for whoever starts it: the document of the OCI features structure, version 1.2.
//!
//! What is listed is what documents may say; whether a host has it, only a start shows.

mod document;
mod names;

use std::collections::BTreeMap;
use std::io::{self, Write};

use libseccomp::ScmpVersion;
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::PrettyFormatter;

use crate::sys::seccomp::{self, FLAG_NEW_LISTENER, FLAG_WAIT_KILLABLE_RECV};

pub use document::Features;
use document::{Cgroup, Enabled, Linux, MountExtensions, Seccomp};

/// The document, with the mount options that a spec may have.
pub fn features(mount_options: &[&str]) -> Features {
    let mut mount_options: Vec<String> = mount_options.iter().map(|option| (*option).to_owned()).collect();
    mount_options.sort_unstable();
    mount_options.dedup();
    Features {
        oci_version_min: "1.0.0",
        oci_version_max: "1.2.0",
        hooks: names::HOOKS,
        mount_options,
        linux: linux(),
        annotations: annotations(),
        potentially_unsafe_config_annotations: names::UNSAFE_ANNOTATIONS,
    }
}

/// Writes it as runc does: four spaces for each level, and a line feed at the end.
///
/// # Errors
/// Where `to` gives one.
pub fn write(to: &mut impl Write, mount_options: &[&str]) -> io::Result<()> {
    let formatter = PrettyFormatter::with_indent(b"    ");
    features(mount_options).serialize(&mut Serializer::with_formatter(&mut *to, formatter))?;
    to.write_all(b"\n")
}

fn linux() -> Linux {
    Linux {
        namespaces: names::NAMESPACES,
        capabilities: names::CAPABILITIES,
        cgroup: Cgroup { v1: true, v2: true, systemd: true, systemd_user: true, rdma: true },
        seccomp: Seccomp {
            enabled: true,
            actions: names::ACTIONS,
            operators: names::OPERATORS,
            archs: names::ARCHITECTURES,
            known_flags: names::FLAGS.iter().map(|(name, _)| *name).collect(),
            supported_flags: names::FLAGS.iter().filter(|(_, bit)| works(*bit)).map(|(n, _)| *n).collect(),
        },
        apparmor: Enabled { enabled: true },
        selinux: Enabled { enabled: true },
        intel_rdt: Enabled { enabled: false },
        mount_extensions: MountExtensions { idmap: Enabled { enabled: true } },
    }
}

/// Whether the kernel that this runs on takes the flag, beside those that it needs.
fn works(flag: u32) -> bool {
    seccomp::knows(if flag == FLAG_WAIT_KILLABLE_RECV { flag | FLAG_NEW_LISTENER } else { flag })
}

fn annotations() -> BTreeMap<&'static str, String> {
    let mut annotations = BTreeMap::from([("sandlot.version", env!("CARGO_PKG_VERSION").to_owned())]);
    // Without an answer it is not known, as the specification has it.
    if let Ok(version) = ScmpVersion::current() {
        annotations.insert("io.github.seccomp.libseccomp.version", version.to_string());
    }
    annotations
}

#[cfg(test)]
mod tests;
