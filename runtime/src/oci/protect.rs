//! The runtime's own program, out of the container's reach (CVE-2019-5736).
//!
//! A process of the runtime that is inside a container, before its exec or while it joins, can be asked for its program
//! as `/proc/<pid>/exe`; a program that is the link `/proc/self/exe` runs it even. Whoever holds that could write to the
//! host's file once nobody executes it any more. So the runtime executes itself again through a read-only mount of that
//! one file which is attached nowhere, and which the kernel takes away from everybody's hands at the exec: no copy, and
//! whatever is opened through it stays read-only.

use std::ffi::{CString, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, execveat, faccessat};

use super::error::Error;
use crate::container::reaper_program;
use crate::sys::mount::{
    MOUNT_ATTR_NODEV, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY, open_tree_following, set_attributes,
};

/// Tells the second run that it is one. Whoever sets it has only their own program to lose.
const MARK: &str = "_SANDLOT_OCI_PROTECTED";
const OWN: &str = "/proc/self/exe";

/// Executes this program again where the container cannot get at its file; returns when that has happened.
///
/// # Errors
/// When it cannot be protected and could be overwritten.
pub fn protect_program() -> Result<(), Error> {
    if std::env::var_os(MARK).is_some() {
        return Ok(());
    }
    match read_only_mount() {
        Ok(program) => Err(execute(&program)),
        // Without the right to mount, the file is in danger only where we could write to it ourselves.
        Err(_) if !is_writable() => Ok(()),
        Err(_) => {
            let copy = reaper_program::load(Path::new(OWN)).map_err(Error::file("copy", OWN))?;
            Err(execute(&copy))
        }
    }
}

fn read_only_mount() -> Result<OwnedFd, Errno> {
    let mount = open_tree_following(AT_FDCWD, c"/proc/self/exe")?;
    set_attributes(mount.as_fd(), MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, None)?;
    Ok(mount)
}

fn is_writable() -> bool {
    faccessat(AT_FDCWD, OWN, AccessFlags::W_OK, AtFlags::AT_EACCESS).is_ok()
}

fn execute(program: &OwnedFd) -> Error {
    let text = |text: OsString| CString::new(text.into_vec()).unwrap_or_default();
    let args: Vec<CString> = std::env::args_os().map(text).collect();
    let variable = |(name, value): (OsString, OsString)| {
        text(OsString::from_vec([name.as_bytes(), b"=", value.as_bytes()].concat()))
    };
    let mark = (OsString::from(MARK), OsString::from("1"));
    let env: Vec<CString> = std::env::vars_os().chain([mark]).map(variable).collect();
    let Err(errno) = execveat(program, c"", &args, &env, AtFlags::AT_EMPTY_PATH);
    Error::said(format!("execute {OWN} again: {}", errno.desc().to_lowercase()))
}
