//! Steps that fill the root file system with mounts and devices.

use std::os::fd::AsFd;

use nix::sched::CloneFlags;

use super::cgroup;
use super::stage::Stage;
use crate::failure::{Failure, during};
use crate::rootfs::{bind, devices, filesystem, path};
use crate::spec::{MountKind, MountPlan};
use crate::sys::mount::{MOUNT_ATTR_RDONLY, set_attributes};

/// All mounts in their order, but for a cgroup tree that can wait for the move of this process.
pub(super) fn mount_filesystems(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let plan = stage.plan;
    for (number, mount) in plan.mounts.iter().enumerate() {
        if !cgroup::can_wait(stage, number) {
            mount_one(stage, number, mount)?;
        }
    }
    Ok(())
}

fn mount_one(stage: &mut Stage<'_>, number: usize, mount: &MountPlan) -> Result<(), Failure> {
    match &mount.kind {
        MountKind::Cgroup => return cgroup::mount(stage, mount),
        MountKind::Filesystem(kind) => filesystem::mount(stage.root()?, &writable_dev(mount), kind)?,
        MountKind::Remount => bind::remount(stage.root()?, mount)?,
        MountKind::Bind { .. } => match stage.resources.sources.get(number).and_then(Option::as_ref) {
            Some(source) => bind::mount(stage.root()?, mount, source.as_fd())?,
            None => bind::mount(stage.root()?, mount, bind::open_source(mount, None)?.as_fd())?,
        },
    }
    bind::finish(stage.root()?, mount)
}

/// A read-only `/dev` turns so only after it is filled.
fn writable_dev(mount: &MountPlan) -> MountPlan {
    let mut mount = mount.clone();
    if mount.target.as_os_str() == "/dev" {
        mount.attributes.set &= !MOUNT_ATTR_RDONLY;
    }
    mount
}

/// The nodes and links of `/dev`, unless the host's is bound there.
pub(super) fn make_devices(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let plan = stage.plan;
    if !plan.owns_dev() {
        return Ok(());
    }
    let in_userns = stage.resources.userns.is_some() || plan.namespaces().has(CloneFlags::CLONE_NEWUSER);
    let making = if in_userns { devices::Making::Bound } else { devices::Making::New };
    devices::make(stage.root()?, &plan.devices, making)?;
    devices::link(stage.root()?)
}

pub(super) fn make_dev_readonly(stage: &Stage<'_>) -> Result<(), Failure> {
    let is_readonly = |mount: &&MountPlan| {
        mount.target.as_os_str() == "/dev" && mount.attributes.set & MOUNT_ATTR_RDONLY != 0
    };
    let Some(mount) = stage.plan.mounts.iter().find(is_readonly) else { return Ok(()) };
    let make = || {
        set_attributes(
            path::open_path(stage.root().map_err(|f| f.errno)?, &mount.target)?.as_fd(),
            MOUNT_ATTR_RDONLY,
            None,
        )
    };
    make().map_err(during("make `/dev` read-only"))
}
