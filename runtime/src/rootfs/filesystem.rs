//! New kernel file systems, mounted under a root.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::mount::MsFlags;
use nix::sys::stat::fstat;

use super::{copy_up, target};
use crate::failure::{Failure, during};
use crate::spec::MountPlan;
use crate::sys::mount::{attach, fsconfig_create, fsconfig_flag, fsconfig_string, fsmount, fsopen};

/// Longest value that `fsconfig` takes, with its end.
const MAX_VALUE_BYTES: usize = 256;

/// Makes a file system of this kind and attaches it, making the folder if it is missing.
///
/// # Errors
/// With the file system, the place and what the kernel said.
pub fn mount(root: BorrowedFd<'_>, plan: &MountPlan, kind: &CStr) -> Result<(), Failure> {
    let what = || format!("mount {} at `{}`", kind.to_string_lossy(), plan.target.display());
    let (place, existed) = target::folder(root, plan, kind)?;
    if plan.options.iter().any(|(_, value)| value.as_ref().is_some_and(is_long)) {
        return mount_by_path(plan, kind, place.as_fd()).map_err(during(what()));
    }
    let mode = existed && is_tmpfs(kind) && !plan.options.iter().any(|(key, _)| key.as_c_str() == c"mode");
    let filesystem = create(plan, kind, mode.then_some(place.as_fd())).map_err(during(what()))?;
    if plan.copy_up {
        copy_up::copy(place.as_fd(), filesystem.as_fd())
            .map_err(during(format!("{}: copy what is there", what())))?;
    }
    attach(filesystem.as_fd(), place.as_fd()).map_err(during(what()))
}

fn is_tmpfs(kind: &CStr) -> bool {
    kind == c"tmpfs"
}

fn is_long(value: &std::ffi::CString) -> bool {
    value.as_bytes().len() >= MAX_VALUE_BYTES
}

/// A tmpfs over a folder of the image keeps the mode of that folder, unless the spec gives one.
fn create(plan: &MountPlan, kind: &CStr, like: Option<BorrowedFd<'_>>) -> Result<OwnedFd, Errno> {
    let context = fsopen(kind)?;
    if let Some(source) = plan.source_text() {
        fsconfig_string(context.as_fd(), c"source", &source)?;
    }
    if let Some(folder) = like {
        let mode = format!("{:o}", fstat(folder)?.st_mode & 0o7777);
        let mode = std::ffi::CString::new(mode).map_err(|_| Errno::EINVAL)?;
        fsconfig_string(context.as_fd(), c"mode", &mode)?;
    }
    for (key, value) in &plan.options {
        match value {
            Some(value) => fsconfig_string(context.as_fd(), key, value)?,
            None => fsconfig_flag(context.as_fd(), key)?,
        }
    }
    fsconfig_create(context.as_fd())?;
    fsmount(context.as_fd(), plan.attributes.set)
}

/// The old call takes a whole page of options.
fn mount_by_path(plan: &MountPlan, kind: &CStr, place: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut data = Vec::new();
    for (key, value) in &plan.options {
        data.extend((!data.is_empty()).then_some(b','));
        data.extend(key.as_bytes());
        if let Some(value) = value {
            data.push(b'=');
            data.extend(value.as_bytes());
        }
    }
    let data = std::ffi::CString::new(data).map_err(|_| Errno::EINVAL)?;
    let at = format!("/proc/self/fd/{}", place.as_raw_fd());
    let source = plan.source_text();
    // The attributes that both calls know have the same lowest bits (mount.h of the kernel).
    let flags = MsFlags::from_bits_truncate(plan.attributes.set & 0xf);
    nix::mount::mount(source.as_deref(), at.as_str(), Some(kind), flags, Some(data.as_c_str()))
}
