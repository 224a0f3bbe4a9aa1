//! Enter: start the plan's process beside a running one, in its namespaces.

use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::prctl::set_dumpable;

use super::create::Started;
use super::launch::{Attendant, Launched, receive_pid, seats};
use super::undo::Unfinished;
use crate::cgroup::Seat;
use crate::failure::{Failure, StepError, during};
use crate::init::{ChildEnd, EXEC_STEPS, Group, Resources, Stage, pair};
use crate::process::user;
use crate::spec::Plan;
use crate::sys::clone::{Cloned, clone, exit_now};

/// Starts the process in these namespaces of the process that `target` is a descriptor of.
///
/// # Errors
/// With the step of the set-up that failed.
pub fn enter(
    plan: &Plan,
    resources: &Resources<'_>,
    target: BorrowedFd<'_>,
    namespaces: CloneFlags,
    attendant: &dyn Attendant,
) -> Result<Started, StepError> {
    let outside = |failure| StepError::new("start the process", failure);
    let (parent, child) = pair().map_err(during("make a socket pair")).map_err(outside)?;
    let into = resources.group.and_then(Group::clone_into_fd);
    let seats = seats(resources.group).map_err(outside)?;
    let (pid, entrance) =
        match clone(CloneFlags::empty(), into).map_err(during("clone the entrance")).map_err(outside)? {
            Cloned::Child => {
                drop(parent);
                join_and_clone(plan, resources, target, namespaces, seats, child)
            }
            Cloned::Parent(pid, entrance) => (pid, entrance),
        };
    drop(child);
    let (pid, process) = receive_pid(&parent, (pid, Unfinished::new(entrance)), attendant)?;
    let launched = Launched::new(pid, process, parent);
    launched.admit(resources, attendant).map_err(outside)?;
    let (pid, pidfd) = launched.attend(attendant)?;
    let pidfd = pidfd.ok_or_else(|| outside(during("keep the process")(Errno::ECHILD)))?;
    Ok(Started { pid, pidfd })
}

fn join_and_clone(
    plan: &Plan,
    resources: &Resources<'_>,
    target: BorrowedFd<'_>,
    namespaces: CloneFlags,
    seats: Vec<Seat>,
    sync: ChildEnd,
) -> ! {
    match join(resources, target, namespaces) {
        Ok(Cloned::Child) => {
            Stage::new(plan, resources, seats, sync).run(EXEC_STEPS);
            exit_now(255)
        }
        Ok(Cloned::Parent(pid, _)) => exit_now(i32::from(sync.send_pid(pid).is_err())),
        Err(failure) => {
            // If the caller is gone nobody needs to hear it.
            let _unheard = sync.send_failure(&StepError::new("enter the container", failure));
            exit_now(1)
        }
    }
}

/// Nothing inside may look into this process once it is there.
fn join(
    resources: &Resources<'_>,
    target: BorrowedFd<'_>,
    namespaces: CloneFlags,
) -> Result<Cloned, Failure> {
    set_dumpable(false).map_err(during("become undumpable"))?;
    if !namespaces.is_empty() {
        setns(target, namespaces).map_err(during("enter the namespaces of the container"))?;
    }
    if namespaces.contains(CloneFlags::CLONE_NEWUSER) {
        let groups = resources.sets_groups.then_some([].as_slice());
        user::become_user(0, 0, groups).map_err(during("become user 0"))?;
    }
    clone(CloneFlags::CLONE_PARENT, None).map_err(during("clone into the pid namespace"))
}
