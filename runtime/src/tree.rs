//! Removing a tree of files that a stranger filled: of any depth and size, with names of any bytes.
//!
//! Nothing is recursive and only two folders are open at a time: what lies deeper is first moved up, each folder once.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::NixPath;
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

/// Removes what goes by this name in `parent`, with all that is below it. What is missing is removed already; symbolic
/// links are removed and never followed. No one else may be at work in the tree.
///
/// # Errors
/// What the kernel gives.
pub fn remove<P: ?Sized + NixPath>(parent: BorrowedFd<'_>, name: &P) -> nix::Result<()> {
    match unlink(parent, name) {
        Err(Errno::EISDIR) => {}
        other => return other,
    }
    let folder = open_folder(parent, name)?;
    empty(&folder)?;
    remove_folder(parent, name)
}

/// Removes everything in a folder.
///
/// # Errors
/// What the kernel gives.
pub fn empty(top: &OwnedFd) -> nix::Result<()> {
    let mut moved = 0u64;
    loop {
        let names = some_names(top)?;
        if names.is_empty() {
            return Ok(());
        }
        for name in names {
            remove_shallow(top, &name, &mut moved)?;
        }
    }
}

/// Removes an entry of `top`, or moves the folders in it up to `top`.
fn remove_shallow(top: &OwnedFd, name: &CString, moved: &mut u64) -> nix::Result<()> {
    match remove_flat(top.as_fd(), name) {
        Err(Errno::ENOTEMPTY | Errno::EEXIST) => {}
        other => return other,
    }
    let folder = open_folder(top.as_fd(), name.as_c_str())?;
    loop {
        let names = some_names(&folder)?;
        if names.is_empty() {
            return remove_folder(top.as_fd(), name.as_c_str());
        }
        for inner in names {
            match remove_flat(folder.as_fd(), &inner) {
                Err(Errno::ENOTEMPTY | Errno::EEXIST) => move_up(&folder, &inner, top, moved)?,
                other => other?,
            }
        }
    }
}

fn move_up(folder: &OwnedFd, name: &CString, top: &OwnedFd, moved: &mut u64) -> nix::Result<()> {
    loop {
        *moved += 1;
        // The stranger may have used this name: an empty folder would be replaced, which is as good, a full one or
        // a file makes the kernel refuse, and then the next number is tried.
        let new = format!(".removed-{moved}");
        match renameat(folder, name.as_c_str(), top, new.as_str()) {
            Err(Errno::ENOTEMPTY | Errno::EEXIST | Errno::ENOTDIR) => {}
            other => return other,
        }
    }
}

/// Removes a file or an empty folder.
fn remove_flat(folder: BorrowedFd<'_>, name: &CString) -> nix::Result<()> {
    match unlink(folder, name.as_c_str()) {
        Err(Errno::EISDIR) => remove_folder(folder, name.as_c_str()),
        other => other,
    }
}

fn unlink<P: ?Sized + NixPath>(folder: BorrowedFd<'_>, name: &P) -> nix::Result<()> {
    ignore_missing(unlinkat(folder, name, UnlinkatFlags::NoRemoveDir))
}

fn remove_folder<P: ?Sized + NixPath>(folder: BorrowedFd<'_>, name: &P) -> nix::Result<()> {
    ignore_missing(unlinkat(folder, name, UnlinkatFlags::RemoveDir))
}

fn ignore_missing(result: nix::Result<()>) -> nix::Result<()> {
    match result {
        Err(Errno::ENOENT) => Ok(()),
        other => other,
    }
}

fn open_folder<P: ?Sized + NixPath>(parent: BorrowedFd<'_>, name: &P) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

/// Up to a thousand names of a folder.
fn some_names(folder: &OwnedFd) -> nix::Result<Vec<CString>> {
    let mut listing = Dir::from_fd(open_folder(folder.as_fd(), ".")?)?;
    let mut names = Vec::new();
    for entry in listing.iter() {
        let name = entry?.file_name().to_owned();
        if !matches!(name.as_bytes(), b"." | b"..") {
            names.push(name);
        }
        if names.len() == 1000 {
            break;
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::mkdirat;
    use std::fs::{self, File};

    #[test]
    fn a_deep_and_wide_tree_goes() {
        let scratch = tempfile::tempdir().unwrap();
        let top = OwnedFd::from(File::open(scratch.path()).unwrap());
        let mut at = top.try_clone().unwrap();
        // Deeper than a path may be long, and than descriptors may be open.
        for depth in 0..3000 {
            mkdirat(&at, "d", Mode::from_bits_truncate(0o700)).unwrap();
            if depth % 500 == 0 {
                mkdirat(&at, ".removed-1", Mode::from_bits_truncate(0o700)).unwrap();
                symlink_and_file(&at);
            }
            at = openat(&at, "d", OFlag::O_RDONLY | OFlag::O_DIRECTORY, Mode::empty()).unwrap();
        }
        for number in 0..2500 {
            File::create(scratch.path().join(format!("f{number}"))).unwrap();
        }
        fs::create_dir(scratch.path().join("outside")).unwrap();
        remove(top.as_fd(), "d").unwrap();
        remove(top.as_fd(), "d").unwrap();
        assert!(scratch.path().join("f0").exists());
        empty(&top).unwrap();
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
    }

    fn symlink_and_file(folder: &OwnedFd) {
        nix::unistd::symlinkat("/", folder, "link").unwrap();
        let flags = OFlag::O_CREAT | OFlag::O_WRONLY;
        openat(folder, ".removed-2", flags, Mode::from_bits_truncate(0o600)).unwrap();
    }
}
