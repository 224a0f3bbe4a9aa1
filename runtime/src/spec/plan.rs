//! The plan: the one input from which a container is made.

use std::path::PathBuf;

use oci_spec::runtime::{Linux, LinuxNamespaceType, LinuxSeccomp, Spec};

use super::error::SpecError;
use super::mount::{MountPlan, absolute};
use super::process::ProcessPlan;
use super::support;
use crate::supervisor::name::Hostname;

/// A container as it will be made. Only [`Plan::try_from`] makes one.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub(crate) hostname: Hostname,
    pub(crate) process: ProcessPlan,
    pub(crate) mounts: Vec<MountPlan>,
    pub(crate) sysctls: Vec<Sysctl>,
    pub(crate) masked_paths: Vec<PathBuf>,
    pub(crate) readonly_paths: Vec<PathBuf>,
    pub(crate) readonly_root: bool,
    pub(crate) seccomp: Option<LinuxSeccomp>,
}

/// A kernel setting of one of the container's own namespaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sysctl {
    /// Where it stands below `/proc/sys`.
    pub path: PathBuf,
    /// What is written.
    pub value: String,
}

impl Plan {
    /// The host name inside.
    pub fn hostname(&self) -> &Hostname {
        &self.hostname
    }

    /// Pid 1, whose limits and capabilities also hold for every other process that is started inside.
    pub fn process(&self) -> &ProcessPlan {
        &self.process
    }

    /// The system call filter, if there is one.
    pub fn seccomp(&self) -> Option<&LinuxSeccomp> {
        self.seccomp.as_ref()
    }
}

impl TryFrom<&Spec> for Plan {
    type Error = SpecError;

    fn try_from(spec: &Spec) -> Result<Self, SpecError> {
        support::check_spec(spec)?;
        let process = spec.process().as_ref().ok_or(SpecError::Missing("process"))?;
        let linux = spec.linux().as_ref().ok_or(SpecError::Missing("linux"))?;
        let root = spec.root().as_ref().ok_or(SpecError::Missing("root"))?;
        support::check_linux(linux)?;
        check_namespaces(linux)?;
        linux.seccomp().as_ref().map_or(Ok(()), support::check_seccomp)?;
        Ok(Self {
            hostname: hostname(spec)?,
            process: ProcessPlan::try_from(process)?,
            mounts: spec.mounts().iter().flatten().map(MountPlan::try_from).collect::<Result<_, _>>()?,
            sysctls: sysctls(linux)?,
            masked_paths: paths("linux.maskedPaths", linux.masked_paths())?,
            readonly_paths: paths("linux.readonlyPaths", linux.readonly_paths())?,
            readonly_root: root.readonly().unwrap_or(false),
            seccomp: linux.seccomp().clone(),
        })
    }
}

/// All seven namespaces, each new: a container that shares one with the host is not made.
fn check_namespaces(linux: &Linux) -> Result<(), SpecError> {
    use LinuxNamespaceType::{Cgroup, Ipc, Mount, Network, Pid, User, Uts};
    let given = linux.namespaces().as_deref().unwrap_or_default();
    if given.iter().any(|namespace| namespace.path().is_some()) {
        return Err(SpecError::Unsupported("linux.namespaces.path".to_owned()));
    }
    let wanted = [User, Pid, Mount, Network, Ipc, Uts, Cgroup];
    if let Some(missing) = wanted.iter().find(|kind| !given.iter().any(|namespace| namespace.typ() == **kind))
    {
        return Err(SpecError::invalid("linux.namespaces", missing, "must be there"));
    }
    match given.iter().find(|namespace| !wanted.contains(&namespace.typ())) {
        Some(other) => Err(SpecError::invalid("linux.namespaces", other.typ(), "is not supported")),
        None => Ok(()),
    }
}

fn hostname(spec: &Spec) -> Result<Hostname, SpecError> {
    let name = spec.hostname().clone().ok_or(SpecError::Missing("hostname"))?;
    Hostname::try_from(name.clone())
        .map_err(|_| SpecError::invalid("hostname", name, "is not a host name of one label"))
}

fn paths(field: &'static str, paths: &Option<Vec<String>>) -> Result<Vec<PathBuf>, SpecError> {
    paths.iter().flatten().map(|path| absolute(field, path.as_ref())).collect()
}

/// Settings of the container's own network, ipc and uts namespaces; all others are the host's.
fn sysctls(linux: &Linux) -> Result<Vec<Sysctl>, SpecError> {
    let mut sysctls = Vec::new();
    for (name, value) in linux.sysctl().iter().flatten() {
        let own = name.starts_with("net.") || name.starts_with("fs.mqueue.");
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if !own || !plain || name.contains("..") {
            return Err(SpecError::invalid(
                "linux.sysctl",
                name,
                "is not a setting of the container's own namespaces",
            ));
        }
        sysctls.push(Sysctl { path: name.replace('.', "/").into(), value: value.clone() });
    }
    sysctls.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sysctls)
}
