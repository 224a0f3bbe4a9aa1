//! Steps that load the system call filter.

use std::os::fd::AsFd;

use super::stage::Stage;
use crate::failure::{Failure, during};
use crate::process::seccomp;

pub(super) fn load_with_privilege(stage: &mut Stage<'_>) -> Result<(), Failure> {
    if stage.plan.process.no_new_privileges { Ok(()) } else { load(stage) }
}

/// As late as can be: what the steps before call need not be allowed.
pub(super) fn load_without_privilege(stage: &mut Stage<'_>) -> Result<(), Failure> {
    if stage.plan.process.no_new_privileges { load(stage) } else { Ok(()) }
}

fn load(stage: &Stage<'_>) -> Result<(), Failure> {
    match seccomp::load(stage.plan.seccomp(), stage.resources.filter)? {
        None => Ok(()),
        Some(listener) => stage
            .sync()?
            .hand_listener_over(listener.as_fd())
            .map_err(during("hand the filter's notifications over")),
    }
}
