//! Steps about the cgroup.

use nix::sched::{CloneFlags, unshare};

use super::stage::Stage;
use crate::failure::{Failure, during};
use crate::rootfs::filesystem;
use crate::spec::FilesystemKind;

pub(super) fn wait_for_move(stage: &mut Stage<'_>) -> Result<(), Failure> {
    stage.sync.wait_for_go().map_err(during("wait for the worker"))
}

pub(super) fn take_namespace(_: &mut Stage<'_>) -> Result<(), Failure> {
    unshare(CloneFlags::CLONE_NEWCGROUP).map_err(during("unshare the cgroup namespace"))
}

/// cgroup v2 as seen from the cgroup namespace. On v1 and hybrid hosts an empty folder: their many hierarchies would
/// cost more mounts than all the rest, and nothing inside may write to them.
pub(super) fn mount_tree(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let kind = if stage.unified { c"cgroup2" } else { c"tmpfs" };
    for mount in stage.plan.mounts.iter().filter(|mount| mount.kind == FilesystemKind::Cgroup) {
        filesystem::mount(stage.root()?, mount, kind)?;
    }
    Ok(())
}
