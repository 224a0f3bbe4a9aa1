//! The beginning of the supervisor's role: fresh, or with the state of the program that it replaces.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Pid, chdir, getppid};

use super::ground::{Ground, GroundError};
use super::node::{NodeFile, NodeFileError};
use super::service::{Guardian, State, Supervisor};
use super::{clock, host, log, oom_score, role};
use crate::cgroup::Role;
use crate::sys::clone::exit_now;
use crate::sys::{close, pidfd};

/// The supervisor could not begin or go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The node file cannot be used.
    #[error(transparent)]
    Node(#[from] NodeFileError),
    /// What the workers need is not there.
    #[error(transparent)]
    Ground(#[from] GroundError),
    /// The state of the program before could not be taken up.
    #[error("take up the state: {0}")]
    State(#[source] serde_json::Error),
    /// The kernel refused something.
    #[error("{operation}: {source}")]
    Kernel {
        /// What was being done.
        operation: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

fn kernel<E: Into<io::Error>>(operation: &'static str) -> impl FnOnce(E) -> StartError {
    move |source| StartError::Kernel { operation, source: source.into() }
}

/// Runs a new supervisor, child of its guardian.
pub(crate) fn fresh(node_file: &Path, listener: OwnedFd, lock: OwnedFd) -> Result<(), StartError> {
    let node = NodeFile::load(node_file)?;
    log::begin("supervisor", node.log_json);
    settle_in()?;
    let ground = Ground::lay(&node)?;
    ground.tree.adopt(Role::Supervisor, 0).map_err(GroundError::from)?;
    // A supervisor that was killed took nothing back.
    host::restore(&node);
    let mut state = first_state(node, node_file.to_owned(), listener, lock)?;
    state.take_in_leftovers(&left_sessions(&ground)?);
    log::info(format_args!("ready: epoch {}, cgroup {}", state.epoch, ground.tree.version().as_str()));
    Supervisor::new(state, ground).and_then(Supervisor::run).map_err(kernel("supervise"))
}

fn first_state(
    node: NodeFile,
    node_file: PathBuf,
    listener: OwnedFd,
    lock: OwnedFd,
) -> Result<State, StartError> {
    let pid = getppid();
    let pidfd = pidfd::open(Pid::from_raw(pid.as_raw())).map_err(kernel("watch the guardian"))?;
    let guardian = Guardian { pid: pid.as_raw(), pidfd: pidfd.into(), is_stand_in: false };
    Ok(State {
        node,
        node_file,
        program: role::own_path().map_err(kernel("find the own program"))?,
        epoch: clock::unix_ms(),
        listener: listener.into(),
        lock: lock.into(),
        guardian: Some(guardian),
        listeners: Default::default(),
        connections: Default::default(),
        last_connection: 0,
        sessions: Default::default(),
        gateway: None,
        waiting: Default::default(),
        reexec_waiter: None,
    })
}

/// Sessions of which an earlier supervisor left groups or files.
fn left_sessions(ground: &Ground) -> Result<Vec<super::name::SessionNumber>, StartError> {
    let folders =
        std::fs::read_dir(ground.node.sessions_dir()).map_err(kernel("list the sessions' folders"))?;
    let number = |entry: io::Result<std::fs::DirEntry>| {
        entry.ok()?.file_name().to_str()?.parse::<u32>().ok()?.try_into().ok()
    };
    let mut numbers: Vec<_> = folders.filter_map(number).collect();
    numbers.extend(ground.tree.sessions().map_err(GroundError::from)?);
    Ok(numbers)
}

/// What holds for the whole life of the process, re-execs included.
fn settle_in() -> Result<(), StartError> {
    prctl::set_name(c"sandlot-super").map_err(kernel("name the process"))?;
    prctl::set_child_subreaper(true).map_err(kernel("become a subreaper"))?;
    oom_score::lower();
    chdir("/").map_err(kernel("enter `/`"))?;
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).map_err(kernel("read the limit of descriptors"))?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).map_err(kernel("raise the limit of descriptors"))?;
    // Mounts of the host still come and go here, nothing goes the other way. All of /proc and /sys stays visible,
    // without which the kernel lets no user namespace mount its own.
    unshare(CloneFlags::CLONE_NEWNS).map_err(kernel("unshare the mount namespace"))?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_SLAVE | MsFlags::MS_REC, none).map_err(kernel("make mounts one-way"))
}

/// Goes on with the state of the program before.
pub(crate) fn resume(state: OwnedFd) -> Result<(), StartError> {
    let state = read(state)?;
    log::begin("supervisor", state.node.log_json);
    close::close_all_on_exec().map_err(kernel("keep descriptors from programs"))?;
    prctl::set_name(c"sandlot-super").map_err(kernel("name the process"))?;
    oom_score::lower();
    let ground = Ground::lay(&state.node)?;
    log::info(format_args!("goes on with {} sessions: epoch {}", state.sessions.len(), state.epoch));
    Supervisor::new(state, ground).and_then(Supervisor::run).map_err(kernel("supervise"))
}

/// Looks whether this program could go on with a state. The descriptors that it names are not this process's, so it
/// ends without dropping anything.
pub(crate) fn check(state: OwnedFd) -> Result<(), StartError> {
    let state = read(state)?;
    log::begin("check", state.node.log_json);
    let ground = Ground::lay(&state.node);
    if let Err(error) = &ground {
        log::warn(format_args!("this program cannot take over: {error}"));
    }
    exit_now(i32::from(ground.is_err()))
}

fn read(state: OwnedFd) -> Result<State, StartError> {
    let mut file = File::from(state);
    file.rewind().map_err(kernel("read the state"))?;
    serde_json::from_reader(BufReader::new(file)).map_err(StartError::State)
}

/// Writes the state down; every descriptor in it survives `execve` from then on.
pub(crate) fn write(state: &State) -> io::Result<OwnedFd> {
    let memory = memfd_create(c"sandlot-state", MFdFlags::MFD_CLOEXEC)?;
    let mut writer = BufWriter::new(File::from(memory));
    serde_json::to_writer(&mut writer, state)?;
    writer.flush()?;
    Ok(writer.into_inner().map_err(io::IntoInnerError::into_error)?.into())
}
