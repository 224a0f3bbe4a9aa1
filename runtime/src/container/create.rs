//! Start: a machine, from its plan to its running pid 1.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::unistd::Pid;

use super::launch::{Attendant, Worker, launch};
use crate::failure::{StepError, during};
use crate::init::Resources;
use crate::spec::Plan;

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
    attended(plan, resources, &Worker)
}

/// As [`start`], with somebody who attends to the process meanwhile. A process that is held back before exec counts as
/// started.
///
/// # Errors
/// With the step of the set-up that failed.
pub fn attended(
    plan: &Plan,
    resources: &Resources<'_>,
    attendant: &dyn Attendant,
) -> Result<Started, StepError> {
    let (pid, pidfd) = launch(plan, resources, attendant)?.attend(attendant)?;
    let pidfd = pidfd.ok_or_else(|| StepError::new("start pid 1", during("keep it")(Errno::ECHILD)))?;
    Ok(Started { pid, pidfd })
}
