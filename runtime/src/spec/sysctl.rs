//! Kernel settings of a spec: only those that belong to one of the container's own namespaces.

use std::path::PathBuf;

use nix::sched::CloneFlags;
use oci_spec::runtime::Linux;

use super::error::SpecError;
use super::namespaces::Namespaces;

/// A kernel setting of one of the container's own namespaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sysctl {
    /// Where it stands below `/proc/sys`.
    pub path: PathBuf,
    /// What is written.
    pub value: String,
}

/// Settings of the ipc namespace (ipc_namespaces(7)), apart from `fs.mqueue.*`.
const OF_IPC: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

pub(super) fn read(linux: &Linux, namespaces: &Namespaces) -> Result<Vec<Sysctl>, SpecError> {
    let mut sysctls = Vec::new();
    for (name, value) in linux.sysctl().iter().flatten() {
        let name = dotted(name);
        check(&name, namespaces)?;
        sysctls.push(Sysctl { path: path(&name), value: value.clone() });
    }
    sysctls.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sysctls)
}

/// sysctl(8) takes `net/ipv4/conf/eth0.100/x` as well: the first separator says which one is meant.
fn dotted(name: &str) -> String {
    let first = name.find(['.', '/']).and_then(|at| name.get(at..=at));
    let swap = |letter| match letter {
        '/' => '.',
        '.' => '/',
        other => other,
    };
    if first == Some("/") { name.chars().map(swap).collect() } else { name.to_owned() }
}

fn path(dotted: &str) -> PathBuf {
    let swap = |letter| match letter {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    dotted.chars().map(swap).collect::<String>().into()
}

fn check(name: &str, namespaces: &Namespaces) -> Result<(), SpecError> {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/'));
    let named = name.split('.').all(|part| !part.trim_matches('/').is_empty());
    if !plain || !named || name.contains("//") {
        return Err(refused(name, "is not the name of a setting"));
    }
    let needed = if OF_IPC.contains(&name) || name.starts_with("fs.mqueue.") {
        CloneFlags::CLONE_NEWIPC
    } else if name.starts_with("net.") {
        CloneFlags::CLONE_NEWNET
    } else if name == "kernel.domainname" {
        CloneFlags::CLONE_NEWUTS
    } else if name == "kernel.hostname" {
        return Err(SpecError::Conflict(format!("sysctl {name:?} conflicts with field hostname")));
    } else {
        return Err(SpecError::Conflict(format!("sysctl {name:?} is not in a separate kernel namespace")));
    };
    match namespaces.has(needed) {
        true => Ok(()),
        false if needed == CloneFlags::CLONE_NEWNET => {
            Err(SpecError::Conflict(format!("sysctl {name:?} not allowed in host network namespace")))
        }
        false => Err(SpecError::Conflict(format!(
            "sysctl {name:?} is not allowed in the hosts {} namespace",
            if needed == CloneFlags::CLONE_NEWIPC { "ipc" } else { "uts" }
        ))),
    }
}

fn refused(name: &str, rule: &'static str) -> SpecError {
    SpecError::invalid("linux.sysctl", name, rule)
}
