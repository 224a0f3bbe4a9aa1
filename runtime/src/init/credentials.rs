//! The step that gives up what the program must not have.

use nix::sys::prctl::set_no_new_privs;

use super::stage::Stage;
use crate::failure::{Failure, during};
use crate::process::{capabilities, user};
use crate::sys::capability;

pub(super) fn drop_capabilities(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let process = &stage.plan.process;
    let sets = capabilities::available(process.capabilities).map_err(during("read capabilities"))?;
    capabilities::apply_bounding(sets).map_err(during("lower the bounding set"))?;
    capability::keep_over_change_of_user(true).map_err(during("keep capabilities"))?;
    let groups = stage.resources.sets_groups.then_some(process.groups.as_slice());
    user::become_user(process.uid, process.gid, groups)
        .map_err(during(format!("become user {}", process.uid)))?;
    capability::keep_over_change_of_user(false).map_err(during("keep capabilities"))?;
    capabilities::apply(sets).map_err(during("set capabilities"))?;
    if process.no_new_privileges {
        set_no_new_privs().map_err(during("set no_new_privs"))?;
    }
    Ok(())
}
