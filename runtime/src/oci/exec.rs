//! `exec`: another process in a running container.

use std::cell::RefCell;
use std::os::fd::AsFd;
use std::path::PathBuf;

use nix::sched::CloneFlags;
use nix::unistd::Pid;
use oci_spec::runtime::Process;

use super::attendant::Joining;
use super::cgroup::SubGroups;
use super::create::{CreateOptions, check_terminal, compile, write_pid};
use super::error::Error;
use super::foreground::{Foreground, check_preserved};
use super::record::Record;
use super::root::Root;
use super::status::Status;
use super::{maps, proc};
use crate::container;
use crate::init::Resources;
use crate::spec::{CLONE_NEWTIME, Plan};
use crate::sys::pidfd;

/// How a process is started in a container.
#[derive(Debug, Clone, Default)]
pub struct ExecOptions {
    /// Where the process id is written.
    pub pid_file: Option<PathBuf>,
    /// Who gets the terminal.
    pub console_socket: Option<PathBuf>,
    /// Whether the caller goes away while the process runs.
    pub detach: bool,
    /// Descriptors from 3 on that the program inherits.
    pub preserve_fds: u32,
    /// Groups below the container's.
    pub sub_groups: SubGroups,
    /// Whether a paused container is no reason to refuse.
    pub ignore_paused: bool,
}

/// Kinds of namespaces by their names below `/proc/<pid>/ns`.
const KINDS: [(&str, CloneFlags); 8] = [
    ("user", CloneFlags::CLONE_NEWUSER),
    ("pid", CloneFlags::CLONE_NEWPID),
    ("mnt", CloneFlags::CLONE_NEWNS),
    ("net", CloneFlags::CLONE_NEWNET),
    ("ipc", CloneFlags::CLONE_NEWIPC),
    ("uts", CloneFlags::CLONE_NEWUTS),
    ("cgroup", CloneFlags::CLONE_NEWCGROUP),
    ("time", CLONE_NEWTIME),
];

/// Starts a process in a container; unless detached, waits for its end. Returns its exit status, and warnings.
///
/// # Errors
/// When the container does not run, or the process cannot be started.
pub fn exec(
    root: &Root,
    record: &Record,
    process: Process,
    options: &ExecOptions,
) -> Result<(i32, Vec<String>), Error> {
    check_exec(record, options)?;
    let pid_file = options
        .pid_file
        .as_deref()
        .map(std::path::absolute)
        .transpose()
        .map_err(Error::file("find", "pid-file"))?;
    let plan = plan_for(record, process)?;
    let terminal = CreateOptions {
        detach: options.detach,
        console_socket: options.console_socket.clone(),
        ..CreateOptions::default()
    };
    check_terminal(plan.process(), &terminal)?;
    let preserved = check_preserved(0, options.preserve_fds)?;
    let foreground = Foreground::prepare(plan.process(), options.console_socket.as_deref(), options.detach)?;
    let filter = compile(root, plan.seccomp())?;
    let group = record.placed.join(&options.sub_groups, record.pid)?;
    let warnings = RefCell::new(Vec::new());
    let resources = Resources {
        group: Some(&group),
        filter: filter.as_ref(),
        console: foreground.console.as_ref().map(AsFd::as_fd),
        preserved,
        sets_groups: maps::sets_groups(&plan),
        ..Resources::bare()
    };
    let attendant = Joining { plan: &plan, record, warnings: &warnings };
    let init = pidfd::open(Pid::from_raw(record.pid))
        .map_err(|_| Error::said("cannot exec in a stopped container"))?;
    let started = container::enter(&plan, &resources, init.as_fd(), namespaces(record), &attendant)?;
    let foreground = foreground.started()?;
    pid_file.map_or(Ok(()), |file| write_pid(&file, started.pid.as_raw()))?;
    let status = if options.detach { 0 } else { foreground.wait(&started)? };
    Ok((status, warnings.into_inner()))
}

/// Whether a process can be started in it now.
///
/// # Errors
/// When it has stopped or is paused.
pub fn check_exec(record: &Record, options: &ExecOptions) -> Result<(), Error> {
    match record.status() {
        Status::Stopped => Err(Error::said("cannot exec in a stopped container")),
        Status::Paused if !options.ignore_paused => {
            Err(Error::said("cannot exec in a paused container (use --ignore-paused to override)"))
        }
        _ => Ok(()),
    }
}

/// The container's own plan with another process, which has no hooks and makes nothing.
fn plan_for(record: &Record, process: Process) -> Result<Plan, Error> {
    let mut spec = record.spec()?;
    spec.set_process(Some(process));
    Ok(Plan::try_from(&spec)?)
}

/// Those that are not the runtime's as well: it must not join its own user namespace.
fn namespaces(record: &Record) -> CloneFlags {
    let others = KINDS.iter().filter(|(name, _)| !proc::is_own_namespace(record.pid, name));
    others.map(|(_, kind)| *kind).fold(CloneFlags::empty(), CloneFlags::union)
}
