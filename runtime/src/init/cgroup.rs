//! Steps about the cgroup.

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};

use super::stage::Stage;
use crate::cgroup::{self, Seat};
use crate::failure::{Failure, during};
use crate::rootfs::cgroup_tree::{self, View};
use crate::spec::{MountKind, MountPlan};

/// Waits until the worker knows this process, and takes its seats. May be repeated.
pub(super) fn move_in(stage: &mut Stage<'_>) -> Result<(), Failure> {
    if !stage.in_cgroup {
        stage.sync()?.wait_for_go().map_err(during("wait for the worker"))?;
        take(std::mem::take(&mut stage.seats))?;
        stage.in_cgroup = true;
    }
    Ok(())
}

/// Moves this process in.
///
/// # Errors
/// When the kernel refuses.
pub fn take(seats: Vec<Seat>) -> Result<(), Failure> {
    seats.iter().try_for_each(Seat::take).map_err(not_added)
}

/// What engines look for in the message.
pub(crate) fn not_added(error: cgroup::Error) -> Failure {
    Failure { message: format!("error adding pid 0 to cgroups: {error}"), errno: Errno::UnknownErrno }
}

/// Moves in and takes the cgroup namespace. May be repeated.
pub(super) fn enter(stage: &mut Stage<'_>) -> Result<(), Failure> {
    if stage.in_cgroup {
        return Ok(());
    }
    move_in(stage)?;
    if !stage.plan.namespaces().is_new(CloneFlags::CLONE_NEWCGROUP) {
        return Ok(());
    }
    unshare(CloneFlags::CLONE_NEWCGROUP).map_err(during("unshare the cgroup namespace"))
}

/// Whether this mount can wait until this process has moved: nothing that comes later touches it, and the
/// host's tree, which is out of sight then, is not needed for it.
pub(super) fn can_wait(stage: &Stage<'_>, number: usize) -> bool {
    let plan = stage.plan;
    let needs_host = stage.resources.cgroup_view != &View::Hidden;
    if needs_host && !plan.namespaces().has(CloneFlags::CLONE_NEWCGROUP) {
        return false;
    }
    let Some(tree) = plan.mounts.get(number).filter(|mount| mount.kind == MountKind::Cgroup) else {
        return false;
    };
    let below = |path: &std::path::Path| path.starts_with(&tree.target);
    let later = plan.mounts.iter().skip(number + 1).any(|mount| below(&mount.target));
    let paths = plan.masked_paths.iter().chain(&plan.readonly_paths).any(|path| below(path));
    let hooks = plan.hooks();
    !later && !paths && hooks.create_runtime.is_empty() && hooks.create_container.is_empty()
}

pub(super) fn mount(stage: &mut Stage<'_>, mount: &MountPlan) -> Result<(), Failure> {
    enter(stage)?;
    let namespaced = stage.plan.namespaces().has(CloneFlags::CLONE_NEWCGROUP);
    cgroup_tree::mount(stage.root()?, mount, stage.resources.cgroup_view, namespaced)
}

/// The trees that could wait.
pub(super) fn mount_rest(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let plan = stage.plan;
    for (number, tree) in plan.mounts.iter().enumerate() {
        if can_wait(stage, number) {
            mount(stage, tree)?;
        }
    }
    Ok(())
}
