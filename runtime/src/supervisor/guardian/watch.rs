//! The guardian's wait: for the supervisor's end and for being told to leave.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::{GuardianError, Holds, io_error, leftovers};
use crate::supervisor::clock::Moment;
use crate::supervisor::node::NodeFile;
use crate::supervisor::{log, role};
use crate::sys::wait;

/// A supervisor that died within this time is not started again at once.
const SHORT_LIFE: Duration = Duration::from_secs(2);
/// The wait then.
const PAUSE: Duration = Duration::from_secs(1);

/// The supervisor as the guardian sees it.
#[derive(Debug)]
pub(super) struct Supervised {
    pidfd: OwnedFd,
    since: Moment,
}

impl Supervised {
    /// One that another guardian has started.
    pub(super) fn other(pidfd: OwnedFd) -> Self {
        Self { pidfd, since: Moment::now() }
    }
}

/// What the guardian holds.
#[derive(Debug)]
pub(super) struct Watch {
    node: NodeFile,
    node_file: PathBuf,
    program: PathBuf,
    holds: Holds,
    signals: SignalFd,
    supervised: Supervised,
}

/// What ended a wait.
enum Woken {
    SupervisorEnded,
    ToldToLeave,
}

impl Watch {
    /// Cleans up after whoever was here before, and starts a supervisor.
    pub(super) fn over_new(
        node: NodeFile,
        node_file: PathBuf,
        program: PathBuf,
        holds: Holds,
    ) -> Result<Self, GuardianError> {
        leftovers::kill(&node);
        let (_, pidfd) =
            role::start_supervisor(&program, &node_file, &holds).map_err(io_error("start the supervisor"))?;
        Self::new(node, node_file, program, holds, Supervised::other(pidfd))
    }

    /// Watches a supervisor that runs.
    pub(super) fn new(
        node: NodeFile,
        node_file: PathBuf,
        program: PathBuf,
        holds: Holds,
        supervised: Supervised,
    ) -> Result<Self, GuardianError> {
        let signals = listen().map_err(|errno| io_error("listen to signals")(errno.into()))?;
        Ok(Self { node, node_file, program, holds, signals, supervised })
    }

    /// Watches until the node is down or the guardian is told to leave.
    pub(super) fn run(mut self) -> Result<(), GuardianError> {
        loop {
            match self.wait().map_err(|errno| io_error("wait for the supervisor")(errno.into()))? {
                Woken::ToldToLeave => {
                    log::info("leaving; the supervisor and every session stay");
                    return Ok(());
                }
                Woken::SupervisorEnded if self.is_down() => {
                    leftovers::remove_groups(&self.node);
                    log::info("the node is down");
                    return Ok(());
                }
                Woken::SupervisorEnded => self.replace()?,
            }
        }
    }

    /// The supervisor removes the socket as its last step when its end is meant.
    fn is_down(&self) -> bool {
        matches!(self.node.socket_path().symlink_metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound)
    }

    fn replace(&mut self) -> Result<(), GuardianError> {
        log::warn("the supervisor has died: ending what it left and starting another");
        leftovers::kill(&self.node);
        if Moment::now().since(self.supervised.since) < SHORT_LIFE {
            std::thread::sleep(PAUSE);
        }
        let (pid, pidfd) = role::start_supervisor(&self.program, &self.node_file, &self.holds)
            .map_err(io_error("start the supervisor"))?;
        self.supervised = Supervised::other(pidfd);
        log::info(format_args!("started supervisor {pid}"));
        Ok(())
    }

    fn wait(&self) -> Result<Woken, Errno> {
        loop {
            let mut waits = [
                PollFd::new(self.supervised.pidfd.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut waits, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
            let ended = waits.first().and_then(PollFd::any).unwrap_or(false);
            if self.is_told_to_leave()? {
                return Ok(Woken::ToldToLeave);
            }
            if ended {
                return Ok(Woken::SupervisorEnded);
            }
        }
    }

    /// Reads the signals; children that have come to this process are waited for.
    fn is_told_to_leave(&self) -> Result<bool, Errno> {
        while let Some(signal) = self.signals.read_signal()? {
            if i32::try_from(signal.ssi_signo) != Ok(Signal::SIGCHLD as i32) {
                return Ok(true);
            }
            while wait::any_ended()?.is_some() {}
        }
        Ok(false)
    }
}

fn listen() -> Result<SignalFd, Errno> {
    let mask = SigSet::from_iter([Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT]);
    mask.thread_block()?;
    SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}
