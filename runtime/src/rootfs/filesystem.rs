//! New kernel file systems, mounted under a root.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use super::path;
use crate::failure::{Failure, during};
use crate::spec::MountPlan;
use crate::sys::mount::{attach, fsconfig_create, fsconfig_flag, fsconfig_string, fsmount, fsopen};

/// Makes a file system of this kind and attaches it, making the folder if it is missing.
///
/// # Errors
/// With the file system, the place and what the kernel said.
pub fn mount(root: BorrowedFd<'_>, plan: &MountPlan, kind: &CStr) -> Result<(), Failure> {
    let what = || format!("mount {} at `{}`", kind.to_string_lossy(), plan.target.display());
    let target = path::make_folder(root, &plan.target).map_err(during(what()))?;
    let filesystem = create(plan, kind).map_err(during(what()))?;
    attach(filesystem.as_fd(), target.as_fd()).map_err(during(what()))
}

fn create(plan: &MountPlan, kind: &CStr) -> Result<OwnedFd, Errno> {
    let context = fsopen(kind)?;
    for (key, value) in &plan.options {
        match value {
            Some(value) => fsconfig_string(context.as_fd(), key, value)?,
            None => fsconfig_flag(context.as_fd(), key)?,
        }
    }
    fsconfig_create(context.as_fd())?;
    fsmount(context.as_fd(), plan.attributes)
}
