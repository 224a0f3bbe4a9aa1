//! What workers do, one kind of work a file. A job owns all it needs and waits as long as it must, within its time.

mod archive;
mod build;
mod clean;
mod disk;
mod instance;
mod join;
mod layer;
mod machine;
mod socket;
mod switch;
mod tls_files;

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;

use self::switch::{Switch, Way};
use super::ground::Ground;
use super::name::{DiffId, ExecNumber, InstanceIndex, SessionNumber};
use super::node::TlsFiles;
use super::protocol::{
    ArchiveOptions, BuildMount, BuildNetwork, Command, Egress, Machine, Refusal, RefusalKind, SocketFamily,
    Winsize,
};
use super::worker::Reporter;
use super::{log, role};
use crate::failure::StepError;

/// Work for a worker. The descriptors that belong to it are given beside it.
#[derive(Debug)]
pub(crate) enum Job {
    /// Make a session and all its instances. Descriptors: \[mounts of the disks that were made ahead, switch if ready,
    /// gateway if it goes out\].
    StartSession {
        session: SessionNumber,
        machines: Vec<Machine>,
        disks: Vec<DiskAhead>,
        plug: Plug,
        way: Option<WayOut>,
    },
    /// Make the node's gateway.
    Gateway { network: Ipv4Addr },
    /// Let addresses be reached from a switch. Descriptors: \[switch\].
    Permit { group: u8, addresses: Vec<(IpAddr, Duration)> },
    /// Make a build. `slots` are those of its caches, in their order. Descriptors: \[contents of its secrets\].
    StartBuild {
        build: SessionNumber,
        machine: Machine,
        mounts: Vec<BuildMount>,
        slots: Vec<u32>,
        network: BuildNetwork,
    },
    /// Make a disk ahead.
    Disk { bytes: u64, number: u32 },
    /// Make a switch ahead.
    Switch,
    /// Make one more instance. Descriptors: \[mounts of the disks that were made ahead, switch if ready, user namespace\].
    AddInstance { session: SessionNumber, machine: Machine, disks: Vec<DiskAhead>, plug: Plug },
    /// End an instance and remove what is left of it. Descriptors: \[switch if ready, pidfd of pid 1 if `has_old`\].
    RemoveInstance { session: SessionNumber, instance: InstanceIndex, plug: Plug, has_old: bool },
    /// End an instance and start it again. Descriptors: \[user namespace, switch if ready, pidfd of pid 1 if `has_old`\].
    Reboot { session: SessionNumber, machine: Machine, plug: Plug, has_old: bool },
    /// Open a terminal. Descriptors: \[pidfd of pid 1\].
    OpenTerminal { seat: Seat, command: Command, size: Winsize },
    /// Run a program. Descriptors: \[pidfd of pid 1\].
    Exec { seat: Seat, exec: ExecNumber, command: Command },
    /// Kill every process of an exec.
    KillExec { session: SessionNumber, instance: InstanceIndex, exec: ExecNumber },
    /// Remove the groups of execs that have ended.
    Sweep { spent: Vec<Spent> },
    /// Kill what is left of a session, wait for it, remove its files and groups.
    Clean { session: SessionNumber },
    /// Unpack a layer. Descriptors: \[archive\].
    UnpackLayer { layer: DiffId },
    /// Remove an unpacked layer.
    RemoveLayer { layer: DiffId },
    /// Look which layers stand unpacked.
    HaveLayers { layers: Vec<DiffId> },
    /// List those that have stood unpacked for a while.
    ListLayers { after: Option<DiffId>, min_age_seconds: u64 },
    /// Extract a tar inside an instance. Descriptors: \[pidfd of pid 1, tar\].
    PutArchive { session: SessionNumber, instance: InstanceIndex, path: String, options: ArchiveOptions },
    /// Write a path of an instance as a tar. Descriptors: \[pidfd of pid 1, where to\].
    GetArchive { session: SessionNumber, instance: InstanceIndex, path: String },
    /// Look at a path of an instance. Descriptors: \[pidfd of pid 1\].
    StatPath { session: SessionNumber, instance: InstanceIndex, path: String },
    /// Write what an instance has changed. Descriptors: \[user namespace, where to\].
    Diff { session: SessionNumber, instance: InstanceIndex, clamp: Option<i64> },
    /// Open TCP sockets in an instance's network. Descriptors: \[pidfd of pid 1\].
    OpenSockets { family: SocketFamily, count: u8 },
    /// Open the sockets of a name server. Descriptors: \[switch\].
    OpenNameServer,
    /// Open what tells of an instance's listeners. Descriptors: \[pidfd of pid 1, file of its cpu time\].
    OpenWatch,
    /// Open the files of the site's TLS.
    OpenTlsFiles { files: TlsFiles },
    /// Become `program`, which looks whether it could resume from a state. Descriptors: \[state\].
    Check { program: PathBuf },
}

/// Where a program joins.
#[derive(Debug, Clone)]
pub(crate) struct Seat {
    /// The session.
    pub(crate) session: SessionNumber,
    /// The instance as it was asked for, but for its layers.
    pub(crate) machine: Machine,
}

/// What instances are plugged into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plug {
    /// Nothing.
    Nowhere,
    /// A switch that this worker makes.
    New,
    /// A switch that is there.
    Ready,
}

impl Plug {
    /// A switch that is there, or none.
    pub(crate) fn of(switch: Option<&OwnedFd>) -> Self {
        if switch.is_some() { Self::Ready } else { Self::Nowhere }
    }
}

/// How a session goes out.
#[derive(Debug)]
pub(crate) struct WayOut {
    /// Of the addresses between host, gateway and sessions.
    pub(crate) network: Ipv4Addr,
    /// What it may reach.
    pub(crate) rules: Egress,
    /// Whether the host may be changed for it.
    pub(crate) configures_host: bool,
}

/// A disk that was made ahead, for an instance.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DiskAhead {
    /// Whose it becomes.
    pub(crate) instance: InstanceIndex,
    /// Its number among the disks made ahead.
    pub(crate) number: u32,
}

/// An exec that has ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    /// Its session.
    pub(crate) session: SessionNumber,
    /// Where it was.
    pub(crate) instance: InstanceIndex,
    /// Its number.
    pub(crate) exec: ExecNumber,
}

impl Job {
    /// How long it may take at most.
    pub(crate) fn time(&self) -> Duration {
        Duration::from_secs(match self {
            Self::StartSession { .. }
            | Self::StartBuild { .. }
            | Self::AddInstance { .. }
            | Self::RemoveInstance { .. }
            | Self::Reboot { .. } => 60,
            Self::OpenTerminal { .. } | Self::Exec { .. } | Self::KillExec { .. } => 30,
            Self::Disk { .. }
            | Self::Switch
            | Self::Gateway { .. }
            | Self::Permit { .. }
            | Self::Sweep { .. }
            | Self::HaveLayers { .. }
            | Self::ListLayers { .. }
            | Self::OpenTlsFiles { .. }
            | Self::Check { .. } => 20,
            Self::Clean { .. } => 120,
            Self::StatPath { .. } | Self::OpenSockets { .. } | Self::OpenNameServer | Self::OpenWatch => 30,
            Self::UnpackLayer { .. }
            | Self::RemoveLayer { .. }
            | Self::PutArchive { .. }
            | Self::GetArchive { .. }
            | Self::Diff { .. } => 900,
        })
    }

    /// Does it.
    pub(crate) fn run(
        self,
        ground: &Ground,
        given: &[BorrowedFd<'_>],
        reporter: &Reporter,
    ) -> Result<(), Refusal> {
        match self {
            Self::StartSession { session, machines, disks, plug, way } => {
                let switch = Switch::find(plug, given, disks.len())?;
                let way = way.as_ref().zip(given.last().copied());
                let way = way.map(|(asked, gateway)| Way { asked, gateway });
                let disks = disk::take(ground, &machines, &disks, given)?;
                machine::start_session(ground, session, &machines, disks, (switch, way), reporter)
            }
            Self::Gateway { network } => switch::make_gateway(ground, network, reporter),
            Self::Permit { group, addresses } => switch::permit(given_first(given)?, group, &addresses),
            Self::Switch => switch::make_ahead(ground, reporter),
            Self::AddInstance { session, machine, disks, plug } => {
                instance::add(ground, session, &machine, &disks, plug, given, reporter)
            }
            Self::RemoveInstance { session, instance, plug, has_old } => {
                instance::remove(ground, session, instance, plug, has_old, given)
            }
            Self::StartBuild { build, machine, mounts, slots, network } => {
                let asked = build::Asked { mounts: &mounts, slots: &slots, network };
                build::start(ground, build, &machine, &asked, given, reporter)
            }
            Self::Disk { bytes, number } => disk::make(ground, bytes, number, reporter),
            Self::Reboot { session, machine, plug, has_old } => {
                let switch = Switch::find(plug, given, 1)?;
                let old = if has_old { given.last().copied() } else { None };
                machine::reboot(ground, session, &machine, (given_first(given)?, switch), old, reporter)
            }
            Self::OpenTerminal { seat, command, size } => {
                join::open_terminal(ground, &seat, &command, size, given_first(given)?, reporter)
            }
            Self::Exec { seat, exec, command } => {
                join::exec(ground, &seat, exec, &command, given_first(given)?, reporter)
            }
            Self::KillExec { session, instance, exec } => join::kill_exec(ground, session, instance, exec),
            Self::Sweep { spent } => join::sweep(ground, &spent),
            Self::Clean { session } => clean::clean(ground, session),
            Self::UnpackLayer { layer } => layer::unpack(ground, &layer, given_first(given)?),
            Self::RemoveLayer { layer } => layer::remove(ground, &layer),
            Self::HaveLayers { layers } => layer::look(ground, layers, reporter),
            Self::ListLayers { after, min_age_seconds } => {
                layer::list(ground, after.as_ref(), min_age_seconds, reporter)
            }
            Self::PutArchive { session, instance, path, options } => {
                archive::put(ground, (session, instance), &path, options, given)
            }
            Self::GetArchive { session, instance, path } => {
                archive::get(ground, (session, instance), &path, given, reporter)
            }
            Self::StatPath { session, instance, path } => {
                archive::stat(ground, (session, instance), &path, given, reporter)
            }
            Self::Diff { session, instance, clamp } => {
                archive::diff(ground, (session, instance), clamp, given, reporter)
            }
            Self::OpenSockets { family, count } => socket::open(given_first(given)?, family, count, reporter),
            Self::OpenNameServer => socket::name_server(given_first(given)?, reporter),
            Self::OpenWatch => socket::watch(given, reporter),
            Self::OpenTlsFiles { files } => tls_files::open(&files, reporter),
            Self::Check { program } => check(&program, given_first(given)?),
        }
    }
}

fn given_first<'a>(given: &[BorrowedFd<'a>]) -> Result<BorrowedFd<'a>, Refusal> {
    given_at(given, 0)
}

fn given_at<'a>(given: &[BorrowedFd<'a>], place: usize) -> Result<BorrowedFd<'a>, Refusal> {
    given.get(place).copied().ok_or_else(|| Refusal::failed("take the descriptors", Errno::EBADF))
}

/// Becomes the program: its exit code is the answer. Returns only when it cannot be started.
fn check(program: &Path, state: BorrowedFd<'_>) -> Result<(), Refusal> {
    let failed = |error: std::io::Error| refused("start the new program", &error);
    let number = state.as_raw_fd().to_string();
    nix::fcntl::fcntl(state, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty()))
        .map_err(|errno| failed(errno.into()))?;
    let Err(error) = role::exec(program, &[Path::new("--check"), Path::new(&number)]);
    Err(failed(error))
}

impl Refusal {
    /// The kernel refused a step.
    pub(crate) fn failed(operation: &str, errno: Errno) -> Self {
        let message = format!("{operation}: {}", errno.desc().to_lowercase());
        Self { kind: RefusalKind::Failed, message, step: None }
    }
}

/// The complete text goes to the log; what may be seen by the session's user names no path of the host.
fn refused(operation: &str, error: &dyn std::fmt::Display) -> Refusal {
    log::warn(format_args!("{operation}: {error}"));
    Refusal { kind: RefusalKind::Failed, message: format!("{operation} failed"), step: None }
}

/// As [`refused`], for a step of the set-up.
fn refused_step(operation: &str, error: &StepError) -> Refusal {
    log::warn(format_args!("{operation}: {error}"));
    let errno = Errno::from_raw(error.errno);
    let message = format!("{operation}: {}: {}", error.step, errno.desc().to_lowercase());
    let is_missing = error.step == "exec the program" && errno == Errno::ENOENT;
    let kind = if is_missing { RefusalKind::Unknown } else { RefusalKind::Failed };
    Refusal { kind, message, step: Some(error.step.clone()) }
}
