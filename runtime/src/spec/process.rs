//! The process of a spec: pid 1 of a container, or one that joins it.

mod scheduling;

use std::ffi::CString;
use std::path::PathBuf;

use nix::sys::resource::Resource;
use oci_spec::runtime::{PosixRlimit, PosixRlimitType, Process};

use super::capabilities::CapabilitySets;
use super::error::SpecError;
use super::mount::{inside, text};
use super::support;
pub use scheduling::{CpuSet, IoPriority, Scheduling};

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
    /// Whether it has a terminal, of this size (rows, cols) where one is given.
    pub terminal: Option<Option<(u16, u16)>>,
    /// How eagerly it is killed when memory runs out, -1000 to 1000 (proc(5)).
    pub oom_score_adj: Option<i32>,
    /// AppArmor profile.
    pub apparmor_profile: Option<String>,
    /// SELinux label.
    pub selinux_label: Option<String>,
    /// Scheduler, io priority, processors.
    pub scheduling: Scheduling,
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
            cwd: cwd(process)?,
            uid: user.uid(),
            gid: user.gid(),
            groups: user.additional_gids().clone().unwrap_or_default(),
            umask: umask(user.umask().unwrap_or(0o022))?,
            capabilities: capabilities.map(CapabilitySets::try_from).transpose()?.unwrap_or_default(),
            rlimits: process.rlimits().iter().flatten().map(Rlimit::try_from).collect::<Result<_, _>>()?,
            no_new_privileges: process.no_new_privileges().unwrap_or(false),
            terminal: terminal(process),
            oom_score_adj: oom_score_adj(process)?,
            apparmor_profile: process.apparmor_profile().clone().filter(|name| !name.is_empty()),
            selinux_label: process.selinux_label().clone().filter(|label| !label.is_empty()),
            scheduling: Scheduling::read(process)?,
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

fn cwd(process: &Process) -> Result<PathBuf, SpecError> {
    if !process.cwd().is_absolute() {
        return Err(SpecError::Conflict("Cwd must be an absolute path".to_owned()));
    }
    inside("process.cwd", process.cwd())
}

fn terminal(process: &Process) -> Option<Option<(u16, u16)>> {
    let short = |number: u64| u16::try_from(number).unwrap_or(u16::MAX);
    let size = process.console_size().map(|size| (short(size.height()), short(size.width())));
    process.terminal().unwrap_or(false).then_some(size)
}

fn oom_score_adj(process: &Process) -> Result<Option<i32>, SpecError> {
    match process.oom_score_adj() {
        Some(value) if !(-1000..=1000).contains(&value) => {
            Err(SpecError::invalid("process.oomScoreAdj", value, "must be from -1000 to 1000"))
        }
        value => Ok(value),
    }
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
