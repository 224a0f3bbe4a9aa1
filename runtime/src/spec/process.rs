//! The process of a spec: pid 1 of a container.

use std::ffi::CString;
use std::path::PathBuf;

use nix::sys::resource::Resource;
use oci_spec::runtime::{PosixRlimit, PosixRlimitType, Process};

use super::capabilities::CapabilitySets;
use super::error::SpecError;
use super::mount::{absolute, text};
use super::support;

/// The highest id that a session's user namespace maps.
const LAST_ID: u32 = 65_535;

/// A process to be started, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessPlan {
    /// Program and arguments, at least one.
    pub args: Vec<CString>,
    /// Environment, as `NAME=value`.
    pub env: Vec<CString>,
    /// Working directory inside.
    pub cwd: PathBuf,
    /// User id inside.
    pub uid: u32,
    /// Group id inside.
    pub gid: u32,
    /// Further groups inside.
    pub groups: Vec<u32>,
    /// File mode creation mask.
    pub umask: u32,
    /// Capability sets.
    pub capabilities: CapabilitySets,
    /// Resource limits.
    pub rlimits: Vec<Rlimit>,
    /// Whether no_new_privs is set.
    pub no_new_privileges: bool,
}

/// One resource limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rlimit {
    /// Of what.
    pub resource: Resource,
    /// The limit in force.
    pub soft: u64,
    /// How far the soft limit may be raised.
    pub hard: u64,
}

impl TryFrom<&Process> for ProcessPlan {
    type Error = SpecError;

    fn try_from(process: &Process) -> Result<Self, SpecError> {
        support::check_process(process)?;
        let user = process.user();
        let capabilities = process.capabilities().as_ref();
        Ok(Self {
            args: args(process)?,
            env: env(process)?,
            cwd: absolute("process.cwd", process.cwd())?,
            uid: id("process.user.uid", user.uid())?,
            gid: id("process.user.gid", user.gid())?,
            groups: user
                .additional_gids()
                .iter()
                .flatten()
                .map(|gid| id("process.user.additionalGids", *gid))
                .collect::<Result<_, _>>()?,
            umask: umask(user.umask().unwrap_or(0o022))?,
            capabilities: capabilities.map(CapabilitySets::try_from).transpose()?.unwrap_or_default(),
            rlimits: process.rlimits().iter().flatten().map(Rlimit::try_from).collect::<Result<_, _>>()?,
            no_new_privileges: process.no_new_privileges().unwrap_or(false),
        })
    }
}

fn args(process: &Process) -> Result<Vec<CString>, SpecError> {
    let args =
        process.args().as_ref().filter(|args| !args.is_empty()).ok_or(SpecError::Missing("process.args"))?;
    args.iter().map(|arg| text("process.args", arg)).collect()
}

fn env(process: &Process) -> Result<Vec<CString>, SpecError> {
    let variable = |variable: &String| match variable.split_once('=') {
        Some((name, _)) if !name.is_empty() => text("process.env", variable),
        _ => Err(SpecError::invalid("process.env", variable, "must be NAME=value")),
    };
    process.env().iter().flatten().map(variable).collect()
}

fn id(field: &'static str, id: u32) -> Result<u32, SpecError> {
    if id <= LAST_ID { Ok(id) } else { Err(SpecError::invalid(field, id, "must be at most 65535")) }
}

fn umask(umask: u32) -> Result<u32, SpecError> {
    let rule = "must be at most 0777";
    if umask <= 0o777 { Ok(umask) } else { Err(SpecError::invalid("process.user.umask", umask, rule)) }
}

impl TryFrom<&PosixRlimit> for Rlimit {
    type Error = SpecError;

    fn try_from(limit: &PosixRlimit) -> Result<Self, SpecError> {
        if limit.soft() > limit.hard() {
            return Err(SpecError::invalid(
                "process.rlimits",
                limit.typ(),
                "has a soft limit above the hard one",
            ));
        }
        Ok(Self { resource: resource(limit.typ()), soft: limit.soft(), hard: limit.hard() })
    }
}

fn resource(limit: PosixRlimitType) -> Resource {
    match limit {
        PosixRlimitType::RlimitCpu => Resource::RLIMIT_CPU,
        PosixRlimitType::RlimitFsize => Resource::RLIMIT_FSIZE,
        PosixRlimitType::RlimitData => Resource::RLIMIT_DATA,
        PosixRlimitType::RlimitStack => Resource::RLIMIT_STACK,
        PosixRlimitType::RlimitCore => Resource::RLIMIT_CORE,
        PosixRlimitType::RlimitRss => Resource::RLIMIT_RSS,
        PosixRlimitType::RlimitNproc => Resource::RLIMIT_NPROC,
        PosixRlimitType::RlimitNofile => Resource::RLIMIT_NOFILE,
        PosixRlimitType::RlimitMemlock => Resource::RLIMIT_MEMLOCK,
        PosixRlimitType::RlimitAs => Resource::RLIMIT_AS,
        PosixRlimitType::RlimitLocks => Resource::RLIMIT_LOCKS,
        PosixRlimitType::RlimitSigpending => Resource::RLIMIT_SIGPENDING,
        PosixRlimitType::RlimitMsgqueue => Resource::RLIMIT_MSGQUEUE,
        PosixRlimitType::RlimitNice => Resource::RLIMIT_NICE,
        PosixRlimitType::RlimitRtprio => Resource::RLIMIT_RTPRIO,
        PosixRlimitType::RlimitRttime => Resource::RLIMIT_RTTIME,
    }
}
