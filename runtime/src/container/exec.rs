//! Join: start a program beside pid 1, in its namespaces.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::unistd::Pid;

use super::launch::{Attendant, Launched, Worker, receive_pid, seats};
use super::program::Program;
use super::undo::Unfinished;
use crate::cgroup::{Leaf, Seat};
use crate::failure::{Failure, StepError, during};
use crate::init::{ChildEnd, Group, ParentEnd, Report, pair};
use crate::process::seccomp::Filter;
use crate::spec::Plan;
use crate::supervisor::protocol::{Command, Login, Winsize};
use crate::sys::clone::{Cloned, clone, exit_now};

const STEP: &str = "join the instance";

/// A program to be started inside.
#[derive(Debug, Clone, Copy)]
pub struct JoinPlan<'a> {
    /// What runs; with an empty argv the login shell of the user.
    pub command: &'a Command,
    /// Who runs it, where the command does not say.
    pub login: Login,
    /// A terminal of this size, or pipes.
    pub terminal: Option<Winsize>,
    /// The instance's plan: its host name, capabilities and limits hold here as well.
    pub plan: &'a Plan,
    /// The plan's compiled system call filter.
    pub filter: Option<&'a Filter>,
}

/// A program that runs inside.
#[derive(Debug)]
pub struct Joined {
    /// Its id on the host.
    pub pid: Pid,
    /// Its descriptor.
    pub pidfd: OwnedFd,
    /// The ptmx; or the write end of its stdin and the read ends of its stdout and stderr.
    pub descriptors: Vec<OwnedFd>,
}

/// Starts a program in the namespaces of the pid 1 that `init` is a descriptor of, as a child of this process, which
/// must be a worker: when it exits, the supervisor inherits the child.
///
/// # Errors
/// With the step that failed. Of step `exec the program`, `ENOENT` tells that there is no such program.
pub fn join(join: &JoinPlan<'_>, init: BorrowedFd<'_>, leaf: Option<&Leaf>) -> Result<Joined, StepError> {
    let outside = |failure| StepError::new(STEP, failure);
    let (parent, child) = pair().map_err(during("make a socket pair")).map_err(outside)?;
    let seats = seats(leaf.map(|leaf| leaf as &dyn Group)).map_err(outside)?;
    let cloned = clone(CloneFlags::empty(), leaf.and_then(Leaf::clone_into_fd));
    match cloned.map_err(during("clone the entrance")).map_err(outside)? {
        Cloned::Child => {
            drop(parent);
            enter(join, init, seats, child)
        }
        Cloned::Parent(pid, entrance) => {
            drop(child);
            let entrance = (pid, Unfinished::new(entrance));
            let (pid, program) = receive_pid(&parent, entrance, &Worker)?;
            parent.go().map_err(during("let the program go on")).map_err(outside)?;
            let descriptors = receive_descriptors(&parent)?;
            let (pid, pidfd) = Launched::new(pid, program, parent).attend(&Worker)?;
            let pidfd = pidfd.ok_or_else(|| outside(during("keep the program")(Errno::ECHILD)))?;
            Ok(Joined { pid, pidfd, descriptors })
        }
    }
}

fn receive_descriptors(parent: &ParentEnd) -> Result<Vec<OwnedFd>, StepError> {
    let outside = |errno| StepError::new(STEP, during("wait for the program's descriptors")(errno));
    match parent.receive(Instant::now() + Worker.patience()).map_err(outside)? {
        Report::Ready(descriptors) => Ok(descriptors),
        Report::Failed(error) => Err(error),
        Report::Closed => Err(outside(Errno::ECHILD)),
        _ => Err(outside(Errno::EPROTO)),
    }
}

/// The entrance: enters all namespaces in one call, and clones the program as a child of the worker.
fn enter(join: &JoinPlan<'_>, init: BorrowedFd<'_>, seats: Vec<Seat>, sync: ChildEnd) -> ! {
    match enter_and_clone(init) {
        Ok(Cloned::Child) => {
            Program::new(join, seats, sync).run();
            exit_now(127)
        }
        Ok(Cloned::Parent(pid, _)) => exit_now(i32::from(sync.send_pid(pid).is_err())),
        Err(failure) => {
            // If the worker is gone nobody needs to hear it.
            let _unheard = sync.send_failure(&StepError::new("enter the instance", failure));
            exit_now(1)
        }
    }
}

fn enter_and_clone(init: BorrowedFd<'_>) -> Result<Cloned, Failure> {
    let namespaces = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWCGROUP;
    setns(init, namespaces).map_err(during("enter the namespaces of pid 1"))?;
    clone(CloneFlags::CLONE_PARENT, None).map_err(during("clone into the pid namespace"))
}
