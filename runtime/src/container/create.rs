//! Start: from a plan and what was made for it to a running pid 1.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::unistd::{Pid, fchdir};

use super::undo::Unfinished;
use crate::cgroup::Leaf;
use crate::failure::{Failure, StepError, during};
use crate::init::{ChildEnd, Identity, ParentEnd, Report, Stage, pair};
use crate::process::seccomp::Filter;
use crate::process::user;
use crate::spec::Plan;
use crate::sys::clone::{Cloned, clone, exit_now};
use crate::sys::pidfd;

const STEP: &str = "start pid 1";
/// The set-up takes milliseconds; whatever takes this long hangs.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// What was made for a container before it starts.
#[derive(Clone, Copy)]
pub struct Resources<'a> {
    /// The session's user namespace; instances of a session share it.
    pub userns: BorrowedFd<'a>,
    /// Root of its file system, mounted in this process's mount namespace.
    pub rootfs: BorrowedFd<'a>,
    /// Its leaf; without one it stays in this process's cgroup.
    pub leaf: Option<&'a Leaf>,
    /// The static program that becomes pid 1, in a file that nothing inside can write.
    pub reaper: BorrowedFd<'a>,
    /// The plan's compiled system call filter.
    pub filter: Option<&'a Filter>,
    /// What is written into its `/etc`, for a machine.
    pub identity: Option<Identity<'a>>,
}

/// A running pid 1.
#[derive(Debug)]
pub struct Started {
    /// Its id on the host.
    pub pid: Pid,
    /// Its descriptor.
    pub pidfd: OwnedFd,
}

/// Starts pid 1 as a child of this process, which must be a worker: when it exits, the supervisor inherits the child.
/// On failure nothing is left but what `resources` was made of.
///
/// # Errors
/// With the step of the set-up that failed.
pub fn start(plan: &Plan, resources: &Resources<'_>) -> Result<Started, StepError> {
    let outside = |failure| StepError::new(STEP, failure);
    let (parent, child) = pair().map_err(during("make a socket pair")).map_err(outside)?;
    let cloned = clone(CloneFlags::empty(), resources.leaf.and_then(Leaf::clone_into_fd));
    match cloned.map_err(during("clone the entrance")).map_err(outside)? {
        Cloned::Child => {
            drop(parent);
            enter(plan, resources, child)
        }
        Cloned::Parent(_, entrance) => {
            drop(child);
            let entrance = Unfinished::new(entrance);
            let (pid, init) = receive_pid(&parent)?;
            entrance.wait();
            admit(pid, resources.leaf)
                .and_then(|()| parent.go().map_err(during("let pid 1 go on")))
                .map_err(outside)?;
            wait_for_exec(&parent, &init)?;
            init.finish()
                .map(|pidfd| Started { pid, pidfd })
                .ok_or_else(|| outside(during("keep pid 1")(Errno::ECHILD)))
        }
    }
}

/// Waits for the id of the process that the entrance cloned.
pub(super) fn receive_pid(parent: &ParentEnd) -> Result<(Pid, Unfinished), StepError> {
    let outside = |errno| StepError::new(STEP, during("wait for the entrance")(errno));
    let receive = || parent.receive(Instant::now() + PATIENCE).map_err(outside);
    match receive()? {
        Report::Pid(pid) => watch(pid).map_err(outside),
        // The process may fail before the entrance has told its id: it must not be left behind.
        Report::Failed(error) => match receive() {
            Ok(Report::Pid(pid)) => {
                drop(watch(pid).map_err(outside)?);
                Err(error)
            }
            _ => Err(error),
        },
        Report::Ready(_) => Err(outside(Errno::EPROTO)),
        Report::Closed => Err(outside(Errno::ECHILD)),
    }
}

fn watch(pid: Pid) -> Result<(Pid, Unfinished), Errno> {
    // It is a child of this process that nobody has waited for, so the id is still its own.
    Ok((pid, Unfinished::new(pidfd::open(pid)?)))
}

/// Moves a waiting process into its cgroup, where it was not cloned there.
pub(super) fn admit(pid: Pid, leaf: Option<&Leaf>) -> Result<(), Failure> {
    let Some(leaf) = leaf.filter(|leaf| leaf.needs_move()) else { return Ok(()) };
    leaf.add(pid.as_raw()).map_err(|error| Failure {
        message: format!("move process {pid} into its cgroup"),
        errno: Errno::from_raw(error.errno().unwrap_or(Errno::EIO as i32)),
    })
}

/// Waits until the child has executed its program.
pub(super) fn wait_for_exec(parent: &ParentEnd, child: &Unfinished) -> Result<(), StepError> {
    let outside = |errno| StepError::new(STEP, during("wait for the program")(errno));
    match parent.receive(Instant::now() + PATIENCE).map_err(outside)? {
        // Killed before exec, such as at a memory limit, looks the same on the socket.
        Report::Closed if child.was_killed() => Err(outside(Errno::ECHILD)),
        Report::Closed => Ok(()),
        Report::Failed(error) => Err(error),
        Report::Pid(_) | Report::Ready(_) => Err(outside(Errno::EPROTO)),
    }
}

/// The entrance: enters the session's user namespace and clones pid 1 from there, so that the session owns every
/// namespace of the container.
fn enter(plan: &Plan, resources: &Resources<'_>, sync: ChildEnd) -> ! {
    match enter_and_clone(resources) {
        Ok(Cloned::Child) => {
            Stage::new(plan, resources.identity, resources.filter, resources.reaper, sync).run();
            exit_now(1)
        }
        Ok(Cloned::Parent(pid, _)) => exit_now(i32::from(sync.send_pid(pid).is_err())),
        Err(failure) => {
            // If the worker is gone nobody needs to hear it.
            let _unheard = sync.send_failure(&StepError::new("enter the session", failure));
            exit_now(1)
        }
    }
}

fn enter_and_clone(resources: &Resources<'_>) -> Result<Cloned, Failure> {
    // The working directory leads the way to the root in the new mount namespace; a descriptor would not.
    fchdir(resources.rootfs).map_err(during("enter the root"))?;
    setns(resources.userns, CloneFlags::CLONE_NEWUSER).map_err(during("enter the user namespace"))?;
    // Before the clone: what the new namespaces hold from their start belongs to whoever makes them.
    user::become_user(0, 0, &[]).map_err(during("become user 0"))?;
    let namespaces = CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_PARENT;
    clone(namespaces, None).map_err(during("clone into new namespaces"))
}
