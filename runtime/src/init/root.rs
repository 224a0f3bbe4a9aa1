//! Steps about the root file system, all by descriptor: a path inside is resolved under the new root, so that a
//! link in an image cannot lead out of it.

use std::os::fd::AsFd;
use std::path::Path;

use nix::fcntl::{AT_FDCWD, OFlag};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{fchdir, pivot_root};

use super::stage::Stage;
use crate::failure::{Failure, during};
use crate::rootfs::{devices, filesystem, mask, path};
use crate::spec::FilesystemKind;
use crate::sys::mount::{MOUNT_ATTR_RDONLY, attach, open_tree, set_attributes};

pub(super) fn make_private(_: &mut Stage<'_>) -> Result<(), Failure> {
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_PRIVATE | MsFlags::MS_REC, none).map_err(during("make mounts private"))
}

/// A second mount of the root over itself: the first one came with the mount namespace, and is locked in its place.
pub(super) fn attach_root(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let root = open_tree(AT_FDCWD, c"").map_err(during("copy the root's mount"))?;
    let here = path::open_path(AT_FDCWD, Path::new(".")).map_err(during("open the root"))?;
    attach(root.as_fd(), here.as_fd()).map_err(during("attach the root"))?;
    fchdir(&root).map_err(during("enter the root"))?;
    stage.set_root(root);
    Ok(())
}

/// All but the cgroup tree, which must wait for the cgroup namespace.
pub(super) fn mount_filesystems(stage: &mut Stage<'_>) -> Result<(), Failure> {
    for mount in stage.plan.mounts.iter().filter(|mount| mount.kind != FilesystemKind::Cgroup) {
        filesystem::mount(stage.root()?, mount, mount.kind.name())?;
    }
    Ok(())
}

pub(super) fn make_devices(stage: &mut Stage<'_>) -> Result<(), Failure> {
    devices::make(stage.root()?)
}

pub(super) fn set_sysctls(stage: &mut Stage<'_>) -> Result<(), Failure> {
    for sysctl in &stage.plan.sysctls {
        let target = Path::new("/proc/sys").join(&sysctl.path);
        let what = format!("set `{}` to `{}`", sysctl.path.display(), sysctl.value);
        let file = path::open(stage.root()?, &target, OFlag::O_WRONLY).map_err(during(what.clone()))?;
        nix::unistd::write(&file, sysctl.value.as_bytes()).map_err(during(what))?;
    }
    Ok(())
}

pub(super) fn make_paths_readonly(stage: &mut Stage<'_>) -> Result<(), Failure> {
    stage.plan.readonly_paths.iter().try_for_each(|target| mask::make_readonly(stage.root()?, target))
}

pub(super) fn mask_paths(stage: &mut Stage<'_>) -> Result<(), Failure> {
    mask::mask(stage.root()?, &stage.plan.masked_paths)
}

/// The old root ends up under the new one, and is then cut off with everything in it.
pub(super) fn change_root(stage: &mut Stage<'_>) -> Result<(), Failure> {
    fchdir(stage.root()?).map_err(during("enter the root"))?;
    pivot_root(".", ".").map_err(during("change the root"))?;
    umount2(".", MntFlags::MNT_DETACH).map_err(during("detach the old root"))?;
    nix::unistd::chdir("/").map_err(during("enter `/`"))
}

pub(super) fn make_root_readonly(stage: &mut Stage<'_>) -> Result<(), Failure> {
    if !stage.plan.readonly_root {
        return Ok(());
    }
    set_attributes(stage.root()?, MOUNT_ATTR_RDONLY, None).map_err(during("make the root read-only"))
}
