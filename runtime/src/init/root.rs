//! Steps about the root file system, all by descriptor: a path inside is resolved under the new root, so that a
//! link in an image cannot lead out of it.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::CloneFlags;
use nix::unistd::{chroot, fchdir, pivot_root};

use super::mounts::make_dev_readonly;
use super::stage::Stage;
use crate::failure::{Failure, during};
use crate::rootfs::{mask, path, target};
use crate::sys::mount::{
    Change, MOUNT_ATTR_RDONLY, MS_PRIVATE, MS_SHARED, MS_SLAVE, attach, change, is_mount_root,
    open_tree_recursive, set_attributes,
};

/// A machine's mounts are its own. Those of other containers hear of the host's, unless the plan says otherwise.
pub(super) fn set_propagation(stage: &mut Stage<'_>) -> Result<(), Failure> {
    if !stage.plan.namespaces().is_new(CloneFlags::CLONE_NEWNS) {
        return Ok(());
    }
    let (flag, recursive) = match stage.plan.root().propagation {
        Some(wanted) => (wanted.flag, wanted.recursive),
        None if stage.resources.identity.is_some() => (MS_PRIVATE, true),
        None => (MS_SLAVE, true),
    };
    let none = None::<&str>;
    let flags =
        MsFlags::from_bits_truncate(flag) | if recursive { MsFlags::MS_REC } else { MsFlags::empty() };
    mount(none, "/", none, flags, none).map_err(during("set the propagation of `/`"))
}

/// A second mount of the root over itself: the first one came with the mount namespace, and is locked in its place.
pub(super) fn attach_root(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let joined = stage.plan.namespaces().joined.iter().any(|(kind, _)| *kind == CloneFlags::CLONE_NEWNS);
    if joined {
        // The working directory was lost when the mount namespace was joined.
        let root = stage.plan.root().path.as_path();
        nix::unistd::chdir(root).map_err(during(format!("enter the root `{}`", root.display())))?;
    }
    let here = path::open_path(AT_FDCWD, Path::new(".")).map_err(during("open the root"))?;
    keep_to_itself(&here).map_err(during("make the mount of the root private"))?;
    let root = open_tree_recursive(AT_FDCWD, c".").map_err(during("copy the root's mount"))?;
    attach(root.as_fd(), here.as_fd()).map_err(during("attach the root"))?;
    fchdir(&root).map_err(during("enter the root"))?;
    stage.set_root(root);
    Ok(())
}

/// What is mounted below a shared mount would appear on the host, and a root below one cannot be pivoted to.
fn keep_to_itself(here: &OwnedFd) -> Result<(), Errno> {
    let mut folder = path::open_dir_at(here.as_fd(), Path::new("."))?;
    while !is_mount_root(folder.as_fd())? {
        folder = path::open_dir_at(folder.as_fd(), Path::new(".."))?;
    }
    change(folder.as_fd(), &Change { propagation: MS_PRIVATE, ..Change::default() })
}

/// For a process that joins: it stands at the root already.
pub(super) fn open_current(stage: &mut Stage<'_>) -> Result<(), Failure> {
    nix::unistd::chdir("/").map_err(during("enter `/`"))?;
    let root = path::open_dir_at(AT_FDCWD, Path::new("/")).map_err(during("open `/`"))?;
    stage.set_root(root);
    Ok(())
}

pub(super) fn set_sysctls(stage: &mut Stage<'_>) -> Result<(), Failure> {
    for sysctl in &stage.plan.sysctls {
        let target = Path::new("/proc/sys").join(&sysctl.path);
        let what = format!("set `{}` to `{}`", sysctl.path.display(), sysctl.value);
        let file = path::open(stage.root()?, &target, OFlag::O_WRONLY).map_err(during(what.clone()))?;
        // Whatever else the image has put there must not be written to (CVE-2025-52881).
        if !target::is_proc(file.as_fd()).map_err(during(what.clone()))? {
            return Err(during(what)(Errno::EXDEV));
        }
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

/// Engines give working directories that the image lacks.
pub(super) fn make_cwd(stage: &mut Stage<'_>) -> Result<(), Failure> {
    match path::make_folder(stage.root()?, &stage.plan.process().cwd) {
        // Whether it can be entered shows when it is, as the program's user.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The old root ends up under the new one, and is then cut off with everything in it.
pub(super) fn change_root(stage: &mut Stage<'_>) -> Result<(), Failure> {
    fchdir(stage.root()?).map_err(during("enter the root"))?;
    let namespaces = stage.plan.namespaces();
    if !namespaces.has(CloneFlags::CLONE_NEWNS) {
        chroot(".").map_err(during("change the root"))?;
    } else if stage.resources.pivot {
        pivot_root(".", ".").map_err(during("change the root by pivot_root"))?;
        umount2(".", MntFlags::MNT_DETACH).map_err(during("detach the old root"))?;
    } else {
        move_root()?;
    }
    nix::unistd::chdir("/").map_err(during("enter `/`"))?;
    share_root(stage)
}

/// For a root on the initial ramfs, which cannot be pivoted: what else is mounted is hidden behind it.
fn move_root() -> Result<(), Failure> {
    let none = None::<&str>;
    hide_host_proc()?;
    mount(Some("."), "/", none, MsFlags::MS_MOVE, none).map_err(during("move the root"))?;
    chroot(".").map_err(during("change the root"))
}

/// As long as a whole `/proc` or `/sys` is mounted anywhere, root inside may mount another one, without what masks it.
fn hide_host_proc() -> Result<(), Failure> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").map_err(|error| {
        during("read `/proc/self/mountinfo`")(Errno::from_raw(error.raw_os_error().unwrap_or(0)))
    })?;
    let here = nix::unistd::getcwd().map_err(during("name the root"))?;
    for (point, kind) in mounts.lines().filter_map(mount_point).collect::<Vec<_>>().iter().rev() {
        if !matches!(*kind, "proc" | "sysfs") || point.starts_with(&here) {
            continue;
        }
        let none = None::<&str>;
        mount(none, point, none, MsFlags::MS_SLAVE | MsFlags::MS_REC, none)
            .and_then(|()| umount2(point, MntFlags::MNT_DETACH))
            // One that is locked in its place is covered.
            .or_else(|_| mount(Some("tmpfs"), point, Some("tmpfs"), MsFlags::empty(), none))
            .map_err(during(format!("hide `{}`", point.display())))?;
    }
    Ok(())
}

/// Mount point and type of a line (proc_pid_mountinfo(5)).
fn mount_point(line: &str) -> Option<(std::path::PathBuf, &str)> {
    let (before, after) = line.split_once(" - ")?;
    let point = before.split(' ').nth(4)?.replace("\\040", " ");
    Some((point.into(), after.split(' ').next()?))
}

fn share_root(stage: &Stage<'_>) -> Result<(), Failure> {
    let Some(wanted) = stage.plan.root().propagation.filter(|wanted| wanted.flag == MS_SHARED) else {
        return Ok(());
    };
    let change_to = Change { propagation: wanted.flag, recursive: wanted.recursive, ..Change::default() };
    change(stage.root()?, &change_to).map_err(during("set the propagation of the root"))
}

pub(super) fn make_root_readonly(stage: &mut Stage<'_>) -> Result<(), Failure> {
    make_dev_readonly(stage)?;
    if !stage.plan.root().readonly {
        return Ok(());
    }
    set_attributes(stage.root()?, MOUNT_ATTR_RDONLY, None).map_err(during("make the root read-only"))
}
