//! The folders of a tree that entries go to: each resolved under the tree's root, and the last one kept open.
//!
//! A link that an earlier entry, or a running instance, put in the way is followed as it would be inside, and never out
//! of the root: every folder is reached by openat2 with RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{Mode, SFlag, fstat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::whiteout;
use crate::rootfs::path as inside;

const FOLDER: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY);

/// An open folder.
#[derive(Debug)]
pub(super) struct Folder {
    fd: OwnedFd,
    /// Whether what is made in it gets its group.
    pub(super) gives_group: bool,
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The folders of one tree.
#[derive(Debug)]
pub(super) struct Places<'a> {
    root: BorrowedFd<'a>,
    /// The folder inside the root that paths are relative to.
    base: PathBuf,
    /// Whether a whiteout in the way gives way to a folder, which then hides what is below it.
    over_whiteouts: bool,
    last: Option<(PathBuf, Folder)>,
    /// Folders that hide what is below them, as paths inside the tree.
    pub(super) opaque: Vec<Vec<u8>>,
}

impl<'a> Places<'a> {
    pub(super) fn new(root: BorrowedFd<'a>, base: &Path, over_whiteouts: bool) -> Self {
        Self { root, base: base.to_owned(), over_whiteouts, last: None, opaque: Vec::new() }
    }

    /// The root.
    pub(super) fn root(&self) -> BorrowedFd<'a> {
        self.root
    }

    /// A folder of the tree, made with those above it where they are missing.
    pub(super) fn folder(&mut self, path: &Path) -> io::Result<&Folder> {
        if self.last.as_ref().is_none_or(|(known, _)| known != path) {
            let folder = self.open_or_make(path)?;
            self.last = Some((path.to_owned(), folder));
        }
        self.last.as_ref().map(|(_, folder)| folder).ok_or_else(|| Errno::ENOENT.into())
    }

    /// Something was replaced: what is kept open may not be in its place any more.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }

    /// A folder that is there, by its place alone.
    pub(super) fn find(&self, path: &Path) -> nix::Result<OwnedFd> {
        inside::open(self.root, &self.resolved(path), FOLDER)
    }

    fn resolved(&self, path: &Path) -> PathBuf {
        let full = self.base.join(path);
        if full.as_os_str().is_empty() { PathBuf::from(".") } else { full }
    }

    fn open_or_make(&mut self, path: &Path) -> io::Result<Folder> {
        let fd = match self.find(path) {
            Err(Errno::ENOENT | Errno::ENOTDIR) => self.make(path)?,
            other => other?,
        };
        let gives_group = fstat(&fd)?.st_mode & SFlag::S_IFMT.complement().bits() & Mode::S_ISGID.bits() != 0;
        Ok(Folder { fd, gives_group })
    }

    fn make(&mut self, path: &Path) -> io::Result<OwnedFd> {
        let mut done = PathBuf::new();
        let mut here = self.find(&done)?;
        for part in path.components().filter(|part| matches!(part, Component::Normal(_))) {
            done.push(part);
            here = match self.find(&done) {
                Err(Errno::ENOENT | Errno::ENOTDIR) => {
                    self.make_one(&here, part.as_os_str(), &done)?;
                    self.find(&done)?
                }
                other => other?,
            };
        }
        Ok(here)
    }

    fn make_one(&mut self, above: &OwnedFd, name: &OsStr, path: &Path) -> io::Result<()> {
        let mode = Mode::from_bits_truncate(0o755);
        match mkdirat(above, name, mode) {
            Err(Errno::EEXIST) => {}
            other => return Ok(other?),
        }
        let there = fstatat(above, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        if !(self.over_whiteouts && whiteout::is_made(&there)) {
            let message = format!("`{}` is in its way and is no folder", path.display());
            return Err(io::Error::new(io::ErrorKind::NotADirectory, message));
        }
        unlinkat(above, name, UnlinkatFlags::NoRemoveDir)?;
        self.set_opaque(path);
        Ok(mkdirat(above, name, mode)?)
    }

    /// Nothing of a lower layer shows in this folder.
    pub(super) fn set_opaque(&mut self, path: &Path) {
        use std::os::unix::ffi::OsStrExt;
        self.opaque.push(super::name::or_here(path).as_os_str().as_bytes().to_vec());
    }
}
