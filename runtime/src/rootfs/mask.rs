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
    let empty = empty_folder().map_err(during("make an empty folder"))?;
    for target in paths {
        let Some(place) = open_if_there(root, target)? else { continue };
        cover(place.as_fd(), empty.as_fd()).map_err(during(format!("mask `{}`", target.display())))?;
    }
    Ok(())
}

fn cover(place: BorrowedFd<'_>, empty: BorrowedFd<'_>) -> Result<(), Errno> {
    let is_folder = path::is_kind(&fstat(place)?, SFlag::S_IFDIR);
    let cover = if is_folder { open_tree(empty, c"")? } else { open_tree(AT_FDCWD, c"/dev/null")? };
    attach(cover.as_fd(), place)
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
