//! The guardian: parent of the supervisor. It only waits; when the supervisor dies it kills what that left and starts a
//! new one on the same listening socket.
//!
//! ```text
//! guardian ------- starts, watches by pidfd -----> supervisor
//!    ^                                                 |
//!    +---------- watches by pidfd; starts a stand-in --+
//! ```
//!
//! Told to leave (SIGTERM) it leaves, and the supervisor stays with every container; the next guardian takes its place
//! by [`Request::Guard`](super::protocol::Request::Guard).

mod leftovers;
mod watch;

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::sys::prctl;
use nix::unistd::{Uid, chown, setsid};

use super::client::{Client, ClientError};
use super::node::{NodeFile, NodeFileError};
use super::protocol::{RefusalKind, Request};
use super::socket::bind_listener;
use super::{log, oom_score, role};
use crate::sys::{close, pidfd};
use watch::{Supervised, Watch};

/// The guardian could not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GuardianError {
    /// The node file cannot be used.
    #[error(transparent)]
    Node(#[from] NodeFileError),
    /// The kernel refused something.
    #[error("{operation}: {source}")]
    Io {
        /// What was being done.
        operation: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A supervisor runs on this run directory, and it cannot be guarded.
    #[error("guard the supervisor that runs on `{run_dir}`: {source}")]
    Occupied {
        /// The run directory.
        run_dir: PathBuf,
        /// What it answered.
        #[source]
        source: ClientError,
    },
}

/// What guardian and supervisor both hold.
#[derive(Debug)]
pub(crate) struct Holds {
    /// Where clients connect: it outlives each supervisor.
    pub(crate) listener: OwnedFd,
    /// Locked: there is no other node on this run directory.
    pub(crate) lock: OwnedFd,
}

/// Runs as the guardian: of a new supervisor, or of the one that runs already.
pub(crate) fn run(node_file: &Path) -> Result<(), GuardianError> {
    // Nothing is given to a guardian by whoever starts it; what came along would live as long as the node.
    close::close_all_but(&[]).map_err(|errno| io_error("close what came along")(errno.into()))?;
    let node = begin(node_file)?;
    // Fails only for a process that leads a session already.
    let _leads_already = setsid();
    let program = role::own_path().map_err(io_error("find the own program"))?;
    let watch = match lock(&node)? {
        Some(lock) => {
            let listener = bind(&node)?;
            let holds = Holds { listener, lock };
            Watch::over_new(node, node_file.to_owned(), program, holds)?
        }
        None => take_over(node, node_file, program)?,
    };
    watch.run()
}

/// Runs as the guardian of a supervisor whose own has ended.
pub(crate) fn stand_in(node_file: &Path, holds: Holds, supervisor: OwnedFd) -> Result<(), GuardianError> {
    let node = begin(node_file)?;
    let program = role::own_path().map_err(io_error("find the own program"))?;
    Watch::new(node, node_file.to_owned(), program, holds, Supervised::other(supervisor))?.run()
}

fn begin(node_file: &Path) -> Result<NodeFile, GuardianError> {
    let node = NodeFile::load(node_file)?;
    log::begin("guardian", node.log_json);
    prctl::set_name(c"sandlot-guard").map_err(|errno| io_error("name the process")(errno.into()))?;
    prctl::set_child_subreaper(true).map_err(|errno| io_error("become a subreaper")(errno.into()))?;
    oom_score::lower();
    Ok(node)
}

/// Locks the run directory; `None` when another guardian or supervisor holds it.
fn lock(node: &NodeFile) -> Result<Option<OwnedFd>, GuardianError> {
    let said = |what: &str| io_error(format!("{what} `{}`", node.run_dir.display()));
    DirBuilder::new().recursive(true).mode(0o755).create(&node.run_dir).map_err(said("make"))?;
    let path = node.run_dir.join("supervisor.lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path);
    let file: File = file.map_err(said("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file.into())),
        Err(std::fs::TryLockError::WouldBlock) => Ok(None),
        Err(std::fs::TryLockError::Error(error)) => Err(said("lock")(error)),
    }
}

/// Binds the listening socket, in place of one that nobody serves: the lock says so.
fn bind(node: &NodeFile) -> Result<OwnedFd, GuardianError> {
    let path = node.socket_path();
    let said = |what: &str| io_error(format!("{what} `{}`", path.display()));
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(said("remove")(error)),
        _ => {}
    }
    let mask = nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o177));
    let listener = bind_listener(&path).map_err(said("bind"));
    nix::sys::stat::umask(mask);
    let listener = listener?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(said("restrict"))?;
    chown(&path, Some(Uid::from_raw(node.serve_uid)), None)
        .map_err(|errno| said("give to serve")(errno.into()))?;
    Ok(listener)
}

/// Becomes the guardian of the supervisor that runs, replaced by the program on disk first if it is another one.
fn take_over(node: NodeFile, node_file: &Path, program: PathBuf) -> Result<Watch, GuardianError> {
    let occupied = |source| GuardianError::Occupied { run_dir: node.run_dir.clone(), source };
    let mut client = Client::connect(&node.socket_path()).map_err(occupied)?;
    let pid = i32::try_from(client.hello().map_err(occupied)?.pid).unwrap_or_default();
    let supervisor = pidfd::open(nix::unistd::Pid::from_raw(pid));
    let supervisor = supervisor.map_err(|errno| io_error("watch the supervisor")(errno.into()))?;
    // The reply comes after the pidfd was opened, so the process it names is the one that answered.
    let mut holds = client.call(Request::Guard, &[]).map_err(occupied)?.1.into_iter();
    if is_other_program(pid, &program) {
        log::info("the program on disk is another one: replacing the supervisor's");
        match client.call(Request::Reexec, &[]) {
            Ok(_) => {}
            Err(ClientError::Refused(refusal)) if refusal.kind != RefusalKind::Denied => {
                log::warn(format_args!("the supervisor goes on with its old program: {refusal}"));
            }
            Err(error) => return Err(occupied(error)),
        }
    }
    let (Some(listener), Some(lock)) = (holds.next(), holds.next()) else {
        return Err(occupied(ClientError::WrongReply));
    };
    log::info(format_args!("guarding supervisor {pid}"));
    let holds = Holds { listener, lock };
    Watch::new(node, node_file.to_owned(), program, holds, Supervised::other(supervisor))
}

/// Whether process `pid` runs another file than the one at `program`.
fn is_other_program(pid: i32, program: &Path) -> bool {
    let identity = |path: &Path| path.metadata().map(|found| (found.dev(), found.ino())).ok();
    identity(Path::new(&format!("/proc/{pid}/exe"))) != identity(program)
}

fn io_error(operation: impl Into<String>) -> impl FnOnce(io::Error) -> GuardianError {
    let operation = operation.into();
    move |source| GuardianError::Io { operation, source }
}
