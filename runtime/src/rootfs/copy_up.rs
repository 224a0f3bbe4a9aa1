//! `tmpcopyup`: a new tmpfs begins with a copy of what it hides.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{
    FchmodatFlags, FileStat, Mode, SFlag, fchmod, fchmodat, fstat, fstatat, mkdirat, mknodat,
};
use nix::unistd::{Gid, Uid, fchown, fchownat, symlinkat};

use super::path::is_kind;

/// Copies everything below a folder, with owners and modes. Links are copied, never followed.
///
/// # Errors
/// What the kernel gives, such as `ENOSPC`.
pub(super) fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<(), Errno> {
    let open_folder =
        |folder| openat(folder, ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
    let to = open_folder(to)?;
    copy_folder(&open_folder(from)?, &to)
}

fn copy_folder(from: &OwnedFd, to: &OwnedFd) -> Result<(), Errno> {
    let mut folder = Dir::openat(from, ".", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    let names =
        folder.iter().map(|entry| Ok(entry?.file_name().to_owned())).collect::<Result<Vec<_>, Errno>>()?;
    for name in names.iter().filter(|name| !matches!(name.to_bytes(), b"." | b"..")) {
        copy_entry(from, to, name)?;
    }
    let status = fstat(from)?;
    fchown(to, Some(Uid::from_raw(status.st_uid)), Some(Gid::from_raw(status.st_gid)))?;
    fchmod(to, mode(&status))
}

fn copy_entry(from: &OwnedFd, to: &OwnedFd, name: &std::ffi::CStr) -> Result<(), Errno> {
    let status = fstatat(from, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    let follow = OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    if is_kind(&status, SFlag::S_IFDIR) {
        mkdirat(to, name, Mode::from_bits_truncate(0o700))?;
        let open_folder = |at| openat(at, name, OFlag::O_RDONLY | OFlag::O_DIRECTORY | follow, Mode::empty());
        return copy_folder(&open_folder(from)?, &open_folder(to)?);
    }
    if is_kind(&status, SFlag::S_IFLNK) {
        symlinkat(readlinkat(from, name)?.as_os_str(), to, name)?;
        return own(to, name, &status);
    }
    if is_kind(&status, SFlag::S_IFREG) {
        let source = openat(from, name, OFlag::O_RDONLY | OFlag::O_NONBLOCK | follow, Mode::empty())?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | follow;
        copy_bytes(&source, &openat(to, name, flags, Mode::from_bits_truncate(0o600))?)?;
    } else {
        let kind = SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT;
        mknodat(to, name, kind, Mode::from_bits_truncate(0o600), status.st_rdev)?;
    }
    own(to, name, &status)?;
    fchmodat(to, name, mode(&status), FchmodatFlags::FollowSymlink)
}

fn own(folder: &OwnedFd, name: &std::ffi::CStr, status: &FileStat) -> Result<(), Errno> {
    let (uid, gid) = (Uid::from_raw(status.st_uid), Gid::from_raw(status.st_gid));
    fchownat(folder.as_fd(), name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)
}

fn mode(status: &FileStat) -> Mode {
    Mode::from_bits_truncate(status.st_mode & 0o7777)
}

fn copy_bytes(from: &OwnedFd, to: &OwnedFd) -> Result<(), Errno> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let count = nix::unistd::read(from, &mut buffer)?;
        let mut rest = buffer.get(..count).unwrap_or_default();
        if rest.is_empty() {
            return Ok(());
        }
        while !rest.is_empty() {
            let written = nix::unistd::write(to, rest)?;
            rest = rest.get(written..).unwrap_or_default();
        }
    }
}
