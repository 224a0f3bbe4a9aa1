//! Paths of `/proc` and `/sys` that are hidden or made read-only inside.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{SFlag, fstat};

use super::path;
use crate::failure::{Failure, during};
use crate::sys::mount::{
    MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY, attach, fsconfig_create,
    fsconfig_string, fsmount, fsopen, open_tree, set_attributes,
};

/// Hides each path that exists: a file behind `/dev/null`, a folder behind an empty read-only one.
///
/// # Errors
/// With the path and what the kernel said.
pub fn mask(root: BorrowedFd<'_>, paths: &[PathBuf]) -> Result<(), Failure> {
    let mut empty = None;
    for target in paths {
        let Some(place) = open_if_there(root, target)? else { continue };
        cover(place.as_fd(), &mut empty).map_err(during(format!("mask `{}`", target.display())))?;
    }
    Ok(())
}

/// `empty` is the first empty folder that was attached. The others are copies of it: of a mount that is attached
/// nowhere Linux makes none before 6.15.
fn cover(place: BorrowedFd<'_>, empty: &mut Option<OwnedFd>) -> Result<(), Errno> {
    let is_folder = path::is_kind(&fstat(place)?, SFlag::S_IFDIR);
    match empty {
        _ if !is_folder => attach(open_tree(AT_FDCWD, c"/dev/null")?.as_fd(), place),
        Some(empty) => attach(open_tree(empty.as_fd(), c"")?.as_fd(), place),
        None => {
            let first = empty.insert(empty_folder()?);
            attach(first.as_fd(), place)
        }
    }
}

fn empty_folder() -> Result<OwnedFd, Errno> {
    let context = fsopen(c"tmpfs")?;
    fsconfig_string(context.as_fd(), c"size", c"0")?;
    fsconfig_string(context.as_fd(), c"nr_inodes", c"1")?;
    fsconfig_create(context.as_fd())?;
    fsmount(context.as_fd(), MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)
}

/// Makes a path, if it exists, read-only.
///
/// # Errors
/// With the path and what the kernel said.
pub fn make_readonly(root: BorrowedFd<'_>, target: &Path) -> Result<(), Failure> {
    let Some(place) = open_if_there(root, target)? else { return Ok(()) };
    let cover = || -> Result<(), Errno> {
        let copy = open_tree(place.as_fd(), c"")?;
        set_attributes(copy.as_fd(), MOUNT_ATTR_RDONLY, None)?;
        attach(copy.as_fd(), place.as_fd())
    };
    cover().map_err(during(format!("make `{}` read-only", target.display())))
}

/// Kernels differ in what they have in `/proc` and `/sys`.
fn open_if_there(root: BorrowedFd<'_>, target: &Path) -> Result<Option<OwnedFd>, Failure> {
    match path::open_path(root, target) {
        Ok(place) => Ok(Some(place)),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(errno) => Err(during(format!("open `{}`", target.display()))(errno)),
    }
}
