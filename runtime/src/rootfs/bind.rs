//! Binds: what is outside, or already inside, appears at a place under the root.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag};

use super::{path, target};
use crate::failure::{Failure, during};
use crate::spec::{Attributes, MountKind, MountPlan};
use crate::sys::mount::{Change, MOUNT_ATTR_IDMAP, attach, change, open_tree_following, open_tree_recursive};

/// A copy of the source's mounts, attached nowhere, with the owners mapped by `userns` where the plan asks for it.
/// Called where the source is in sight.
///
/// # Errors
/// With the source and what the kernel said.
pub fn open_source(plan: &MountPlan, userns: Option<BorrowedFd<'_>>) -> Result<OwnedFd, Failure> {
    let source = plan.source.as_deref().unwrap_or(Path::new(""));
    let what = format!("bind `{}` at `{}`", source.display(), plan.target.display());
    let name =
        CString::new(source.as_os_str().as_bytes()).map_err(|_| during(what.clone())(Errno::EINVAL))?;
    let recursive = matches!(plan.kind, MountKind::Bind { recursive: true });
    let tree = match recursive {
        true => open_tree_recursive(AT_FDCWD, &name),
        false => open_tree_following(AT_FDCWD, &name),
    };
    let tree = tree.map_err(during(what.clone()))?;
    if let (Some(map), Some(userns)) = (&plan.idmap, userns) {
        let recursive = map.recursive;
        let map = Change { set: MOUNT_ATTR_IDMAP, userns: Some(userns), recursive, ..Change::default() };
        change(tree.as_fd(), &map).map_err(during(format!("{what}: map the owners")))?;
    }
    Ok(tree)
}

/// Attaches a source under the root, with the plan's attributes.
///
/// # Errors
/// With the place and what the kernel said.
pub fn mount(root: BorrowedFd<'_>, plan: &MountPlan, source: BorrowedFd<'_>) -> Result<(), Failure> {
    let what = || {
        format!(
            "mount `{}` at `{}`",
            plan.source.as_deref().unwrap_or(Path::new("")).display(),
            plan.target.display()
        )
    };
    let place = target::like(root, &plan.target, source)?;
    set(source, plan.attributes, false).map_err(during(what()))?;
    attach(source, place.as_fd()).map_err(during(what()))
}

/// Changes attributes; what is locked from outside the user namespace stays as it is.
fn set(mount: BorrowedFd<'_>, attributes: Attributes, recursive: bool) -> Result<(), Errno> {
    let Attributes { set, clear } = attributes;
    if set == 0 && clear == 0 {
        return Ok(());
    }
    match change(mount, &Change { set, clear, recursive, ..Change::default() }) {
        Err(Errno::EPERM) if clear != 0 && set == 0 => Ok(()),
        Err(Errno::EPERM) if clear != 0 => change(mount, &Change { set, recursive, ..Change::default() }),
        result => result,
    }
}

/// What holds for a mount and all below it, after it is attached: recursive attributes, then the propagation.
///
/// # Errors
/// With the place and what the kernel said.
pub fn finish(root: BorrowedFd<'_>, plan: &MountPlan) -> Result<(), Failure> {
    if plan.recursive == Attributes::default() && plan.propagation.is_empty() {
        return Ok(());
    }
    let what = || format!("change the mount at `{}`", plan.target.display());
    let place = path::open_path(root, &plan.target).map_err(during(what()))?;
    set(place.as_fd(), plan.recursive, true).map_err(during(what()))?;
    for step in &plan.propagation {
        let change_to = Change { propagation: step.flag, recursive: step.recursive, ..Change::default() };
        change(place.as_fd(), &change_to).map_err(during(what()))?;
    }
    Ok(())
}

/// Gives other attributes to what is mounted at the target already.
///
/// # Errors
/// With the place and what the kernel said.
pub fn remount(root: BorrowedFd<'_>, plan: &MountPlan) -> Result<(), Failure> {
    let what = || format!("remount `{}`", plan.target.display());
    let place = path::open(root, &plan.target, OFlag::O_PATH).map_err(during(what()))?;
    set(place.as_fd(), plan.attributes, false).map_err(during(what()))
}
