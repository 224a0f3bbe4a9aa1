//! Where a mount goes: opened under the root, made where it is missing, and looked at before anything is put on it.
//!
//! What a container can have prepared in its image must neither lead a mount out of the root nor make a false `/proc`
//! (CVE-2019-16884, CVE-2021-30465, CVE-2025-52881).

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{SFlag, fstat};
use nix::sys::statfs::{FsType, PROC_SUPER_MAGIC, fstatfs};

use super::path;
use crate::failure::{Failure, during};
use crate::spec::MountPlan;

/// Files below `/proc` that may be covered: they describe the machine and guard nothing.
const IN_PROC: [&str; 10] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/slabinfo",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/crypto/fips_enabled",
];

/// The folder for a new file system, and whether it was there already.
///
/// # Errors
/// With the place and what is wrong with it.
pub fn folder(root: BorrowedFd<'_>, plan: &MountPlan, kind: &CStr) -> Result<(OwnedFd, bool), Failure> {
    let target = plan.target.as_path();
    let is_kernels = matches!(kind.to_bytes(), b"proc" | b"sysfs");
    if is_kernels {
        check_ordinary(root, target, kind)?;
    }
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
    let opened = match path::open(root, target, flags) {
        Err(Errno::ENOENT) => path::make_folder(root, target).map(|folder| (folder, false)),
        result => result.map(|folder| (folder, true)),
    };
    let what = format!("mount {} at `{}`", kind.to_string_lossy(), target.display());
    let (folder, existed) = opened.map_err(during(what))?;
    if !(is_kernels && target == Path::new("/proc")) {
        check_outside_proc(folder.as_fd(), target)?;
    }
    Ok((folder, existed))
}

/// The place for a bind of `source`: a folder or a file as the source is.
///
/// # Errors
/// With the place and what is wrong with it.
pub fn like(root: BorrowedFd<'_>, target: &Path, source: BorrowedFd<'_>) -> Result<OwnedFd, Failure> {
    let of_source = fstat(source).map_err(during("look at the source"))?;
    let place = match path::is_kind(&of_source, SFlag::S_IFDIR) {
        true => path::make_folder(root, target),
        false => path::make_file(root, target),
    };
    let place = place.map_err(during(format!("open `{}`", target.display())))?;
    if target == Path::new("/proc") && is_proc(source).map_err(during("look at the source"))? {
        return Ok(place);
    }
    if target == Path::new("/proc") {
        return Err(refused(target));
    }
    check_outside_proc(place.as_fd(), target)?;
    Ok(place)
}

/// A link at `/proc` or `/sys` would put the real file system somewhere else than what is written to later.
fn check_ordinary(root: BorrowedFd<'_>, target: &Path, kind: &CStr) -> Result<(), Failure> {
    let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_SYMLINKS;
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    match openat2(root, target, OpenHow::new().flags(flags).resolve(resolve)) {
        Ok(_) | Err(Errno::ENOENT) => Ok(()),
        Err(Errno::ELOOP | Errno::ENOTDIR) => Err(Failure {
            message: format!("filesystem {:?} must be mounted on ordinary directory", kind.to_string_lossy()),
            errno: Errno::ENOTDIR,
        }),
        Err(errno) => Err(during(format!("open `{}`", target.display()))(errno)),
    }
}

fn check_outside_proc(place: BorrowedFd<'_>, target: &Path) -> Result<(), Failure> {
    let allowed = IN_PROC.iter().any(|path| target == Path::new(path));
    let inside = is_proc(place).map_err(during(format!("look at `{}`", target.display())))?;
    if allowed || !inside { Ok(()) } else { Err(refused(target)) }
}

fn refused(target: &Path) -> Failure {
    let message = format!("{:?} cannot be mounted because it is inside /proc", target.display().to_string());
    Failure { message, errno: Errno::EPERM }
}

/// Whether this is on a real `/proc`.
///
/// # Errors
/// What `fstatfs` gives.
pub fn is_proc(file: BorrowedFd<'_>) -> Result<bool, Errno> {
    Ok(fstatfs(file)?.filesystem_type() == FsType(PROC_SUPER_MAGIC.0))
}
