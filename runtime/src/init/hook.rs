//! Steps that run hooks: those of the runtime's namespaces are run by the worker, those of the container's here.

use nix::unistd::getpid;

use super::stage::Stage;
use crate::failure::{Failure, during};
use crate::process::hook;
use crate::spec::HookPlan;

pub(super) fn before_change_of_root(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let hooks = stage.plan.hooks();
    if !hooks.create_runtime.is_empty() {
        super::cgroup::enter(stage)?;
        stage.sync()?.ask_for_hooks().map_err(during("wait for the hooks"))?;
    }
    run(stage, "createContainer", &hooks.create_container, "creating")
}

pub(super) fn before_start(stage: &mut Stage<'_>) -> Result<(), Failure> {
    run(stage, "startContainer", &stage.plan.hooks().start_container, "created")
}

fn run(stage: &Stage<'_>, point: &str, hooks: &[HookPlan], status: &str) -> Result<(), Failure> {
    let Some(state) = stage.resources.hook_state.filter(|_| !hooks.is_empty()) else { return Ok(()) };
    hook::run_all(point, hooks, &state.document(status, getpid()))
}
