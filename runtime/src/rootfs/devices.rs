//! Device nodes of a container, and the usual links in its `/dev`.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, SFlag, fchmod, fstat, mknodat};
use nix::unistd::{Gid, Uid, fchownat, symlinkat, unlinkat};

use super::path;
use crate::failure::{Failure, during};
use crate::spec::DevicePlan;
use crate::sys::mount::{attach, open_tree};

const LINKS: [(&str, &str); 6] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
    ("ptmx", "pts/ptmx"),
];

/// How nodes come to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Making {
    /// As new nodes, where the container has no user namespace of its own.
    New,
    /// By binding the host's. A bound node cannot be changed from inside: its owner is nobody there.
    Bound,
}

/// Makes the nodes; one that exists already stays.
///
/// # Errors
/// With the device and what the kernel said.
pub fn make(root: BorrowedFd<'_>, devices: &[DevicePlan], making: Making) -> Result<(), Failure> {
    for device in devices {
        let what = || format!("make device `{}`", device.path.display());
        let (folder, name) = place(root, &device.path).map_err(during(what()))?;
        match making {
            Making::Bound => bind(folder.as_fd(), name, device),
            Making::New => match node(folder.as_fd(), name, device) {
                Err(Errno::EPERM) => bind(folder.as_fd(), name, device),
                result => result,
            },
        }
        .map_err(during(what()))?;
    }
    Ok(())
}

fn place<'p>(
    root: BorrowedFd<'_>,
    device: &'p Path,
) -> Result<(std::os::fd::OwnedFd, &'p std::ffi::OsStr), Errno> {
    let folder = path::make_folder(root, device.parent().unwrap_or(Path::new("/")))?;
    Ok((folder, device.file_name().ok_or(Errno::EISDIR)?))
}

fn node(folder: BorrowedFd<'_>, name: &std::ffi::OsStr, device: &DevicePlan) -> Result<(), Errno> {
    match mknodat(folder, name, device.kind, Mode::from_bits_truncate(device.mode), device.number) {
        Err(Errno::EEXIST) => return Ok(()),
        made => made?,
    }
    let (uid, gid) = (Uid::from_raw(device.uid), Gid::from_raw(device.gid));
    fchownat(folder, name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)?;
    chmod(folder, name, device)
}

/// By path below the open folder: nobody else is in this container yet, and the node was made a moment ago.
fn chmod(folder: BorrowedFd<'_>, name: &std::ffi::OsStr, device: &DevicePlan) -> Result<(), Errno> {
    let flags = nix::sys::stat::FchmodatFlags::FollowSymlink;
    nix::sys::stat::fchmodat(folder, name, Mode::from_bits_truncate(device.mode), flags)
}

fn bind(folder: BorrowedFd<'_>, name: &std::ffi::OsStr, device: &DevicePlan) -> Result<(), Errno> {
    let host = CString::new(device.path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    let source = open_tree(AT_FDCWD, &host)?;
    let status = fstat(&source)?;
    let is_same = device.kind == SFlag::S_IFIFO || status.st_rdev == device.number;
    if !path::is_kind(&status, device.kind) || !is_same {
        return Err(Errno::ENXIO);
    }
    let flags = OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    let target = openat(folder, name, flags, Mode::from_bits_truncate(0o666))?;
    attach(source.as_fd(), target.as_fd())
}

/// Makes the links in `/dev`; what stands there already stays, but for `ptmx`, which must be the container's own.
///
/// # Errors
/// With the link and what the kernel said.
pub fn link(root: BorrowedFd<'_>) -> Result<(), Failure> {
    let folder = path::make_folder(root, Path::new("/dev")).map_err(during("open `/dev`"))?;
    for (name, target) in LINKS {
        if name == "ptmx" {
            match unlinkat(folder.as_fd(), name, nix::unistd::UnlinkatFlags::NoRemoveDir) {
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(errno) => return Err(during("remove `/dev/ptmx`")(errno)),
            }
        }
        match symlinkat(target, folder.as_fd(), name) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(during(format!("link `/dev/{name}`"))(errno)),
        }
    }
    Ok(())
}

/// Binds a terminal on `/dev/console`, which is made where it is missing.
///
/// # Errors
/// With what the kernel said.
pub fn bind_console(root: BorrowedFd<'_>, pts: BorrowedFd<'_>) -> Result<(), Failure> {
    let bind = || {
        let folder = path::make_folder(root, Path::new("/dev"))?;
        let flags =
            OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
        match openat(folder.as_fd(), "console", flags | OFlag::O_EXCL, Mode::from_bits_truncate(0o666)) {
            Ok(file) => fchmod(&file, Mode::from_bits_truncate(0o666))?,
            Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno),
        }
        let place = openat(
            folder.as_fd(),
            "console",
            OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
            Mode::empty(),
        )?;
        attach(open_tree(pts, c"")?.as_fd(), place.as_fd())
    };
    bind().map_err(during("bind `/dev/console`"))
}
