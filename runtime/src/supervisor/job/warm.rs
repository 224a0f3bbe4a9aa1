//! The first move of a process between version 1 groups after an idle moment waits 5 to 11 ms for the kernel's grace
//! period; those right after it do not. So a process that does nothing else moves first, while the rest is set up.

use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};

use crate::cgroup::Leaf;
use crate::supervisor::log;
use crate::sys::clone::{self, Cloned};

/// The process that moves ahead; it ends by itself as soon as it has moved.
#[derive(Debug)]
pub(super) struct Ahead(Option<Pid>);

impl Ahead {
    /// Sends one ahead into `leaf`, where moves are slow. A failure is said and costs only time.
    pub(super) fn into(leaf: &Leaf) -> Self {
        if !leaf.needs_move() {
            return Self(None);
        }
        match clone::clone(CloneFlags::empty(), None) {
            Ok(Cloned::Child) => clone::exit_now(i32::from(leaf.add(getpid().as_raw()).is_err())),
            Ok(Cloned::Parent(pid, _)) => Self(Some(pid)),
            Err(errno) => {
                log::warn(format_args!("send a process ahead: {errno}"));
                Self(None)
            }
        }
    }
}

impl Drop for Ahead {
    /// One that is still on its way becomes a child of the supervisor, which waits for whatever it inherits.
    fn drop(&mut self) {
        let Some(pid) = self.0 else { return };
        match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, 0) | WaitStatus::StillAlive) | Err(Errno::ECHILD) => {}
            other => log::warn(format_args!("the process sent ahead: {other:?}")),
        }
    }
}
