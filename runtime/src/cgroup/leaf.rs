//! A leaf of an instance: the only kind of group that processes sit in.

use std::fmt;
use std::os::fd::BorrowedFd;

use super::Error;
use super::group::Group;
use crate::supervisor::name::ExecNumber;

/// Which leaf of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeafName {
    /// Pid 1 and the terminals.
    Machine,
    /// One exec.
    Exec(ExecNumber),
}

impl fmt::Display for LeafName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine => f.write_str("machine"),
            Self::Exec(ExecNumber(number)) => write!(f, "exec-{number}"),
        }
    }
}

/// An open leaf.
#[derive(Debug)]
pub struct Leaf {
    group: Group,
}

impl Leaf {
    pub(super) fn new(group: Group) -> Self {
        Self { group }
    }

    /// Moves a process in, with all its threads, in every hierarchy. The id is that of the caller's pid namespace;
    /// 0 is the caller.
    ///
    /// On version 1 the first write after an idle moment waits for an RCU grace period (about 10 ms), those that
    /// follow do not: let a worker that is still setting up do it, never the supervisor's loop.
    ///
    /// # Errors
    /// When the kernel refuses, such as for a process that has ended (`ESRCH`).
    pub fn add(&self, pid: i32) -> Result<(), Error> {
        self.group.add(pid)
    }

    /// For CLONE_INTO_CGROUP, on version 2 and hybrid hosts. On a hybrid host [`Leaf::add`] is still needed: the limits stand on
    /// version 1 hierarchies there.
    pub fn clone_into_fd(&self) -> Option<BorrowedFd<'_>> {
        self.group.unified_fd()
    }

    /// Whether [`Leaf::add`] is needed after a clone into [`Leaf::clone_into_fd`]: not where version 2 is all there is.
    pub fn needs_move(&self) -> bool {
        self.group.parts.iter().any(|part| !part.unified)
    }

    /// Sends SIGKILL to every process in it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill(&self) -> Result<(), Error> {
        self.group.kill()
    }

    /// Whether no process lives in it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn is_empty(&self) -> Result<bool, Error> {
        self.group.is_empty()
    }
}
