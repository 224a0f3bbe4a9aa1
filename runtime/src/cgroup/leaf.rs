//! A leaf of an instance: the only kind of group that processes sit in.

use std::fmt;
use std::os::fd::BorrowedFd;

use super::group::Group;
use super::{Error, Seat};
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
    /// On version 1 it may take as long as an RCU grace period, about 10 ms: a new process takes its [`Seat`]s instead.
    ///
    /// # Errors
    /// When the kernel refuses, such as for a process that has ended (`ESRCH`).
    pub fn add(&self, pid: i32) -> Result<(), Error> {
        self.group.add(pid)
    }

    /// For CLONE_INTO_CGROUP, on version 2 and hybrid hosts. On a hybrid host [`Leaf::seats`] are to be taken, too: the
    /// limits stand on version 1 hierarchies there.
    pub fn clone_into_fd(&self) -> Option<BorrowedFd<'_>> {
        self.group.unified_fd()
    }

    /// Where a process moves itself in that was cloned into [`Leaf::clone_into_fd`]; none where version 2 is all there is.
    ///
    /// # Errors
    /// When the kernel refuses to open one.
    pub fn seats(&self) -> Result<Vec<Seat>, Error> {
        self.group.parts.iter().filter(|part| !part.unified).map(|part| part.folder.seat()).collect()
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
