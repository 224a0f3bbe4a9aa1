//! Reading a tar and making its files below a folder of a tree.
//!
//! Not more than the last folder is kept open, and nothing is remembered but the times of folders and, in a layer, which
//! of them hide what is below. Nothing is synced here.

use std::io::{self, Read};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;

use super::name::inside;
use super::place::Places;
use super::reader::{Member, Reader};
use super::room::Room;
use super::status::Status;
use super::whiteout::{self, Asks};

/// Content is copied in pieces of this length.
const COPY_BYTES: usize = 256 * 1024;

/// What the tar is to the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// A layer, into a tree of its own: whiteouts mean something, the first entry may be the tree itself.
    Layer,
    /// Files for a tree that is in use.
    Files {
        /// As in [`crate::supervisor::protocol::ArchiveOptions`].
        no_overwrite_dir_non_dir: bool,
        /// As there.
        copy_uid_gid: bool,
    },
}

/// What is under way.
#[derive(Debug)]
pub(crate) struct Extraction<'a> {
    pub(super) policy: Policy,
    pub(super) places: Places<'a>,
    pub(super) room: Room,
    /// Folders with their time, which is set last: filling a folder changes it.
    pub(super) folders: Vec<(PathBuf, TimeSpec)>,
    pub(super) buffer: Vec<u8>,
}

impl<'a> Extraction<'a> {
    /// An extraction below `base` inside `root`. This process must be the root of the files' owners, with an empty mask.
    pub(crate) fn new(root: BorrowedFd<'a>, base: &Path, policy: Policy) -> Self {
        Self {
            policy,
            places: Places::new(root, base, policy == Policy::Layer),
            room: Room::default(),
            folders: Vec::new(),
            buffer: vec![0; COPY_BYTES],
        }
    }

    /// Extracts a whole tar, to the end of the stream; returns the folders that hide what is below them.
    ///
    /// # Errors
    /// With the entry that could not be made.
    pub(crate) fn run(mut self, tar: &mut impl Read) -> io::Result<Vec<Vec<u8>>> {
        let mut reader = Reader::new(&mut *tar);
        while let Some(member) = reader.next_member()? {
            self.one(&mut reader, &member).map_err(|error| named(&member.path, &error))?;
        }
        self.set_folder_times()?;
        self.drain(tar)?;
        Ok(self.places.opaque)
    }

    /// What stands behind the end of the archive belongs to the stream all the same.
    fn drain(&mut self, tar: &mut impl Read) -> io::Result<()> {
        while tar.read(&mut self.buffer)? > 0 {}
        Ok(())
    }

    fn one<R: Read>(&mut self, reader: &mut Reader<R>, member: &Member) -> io::Result<()> {
        self.room.entry()?;
        let path = inside(&member.path)
            .ok_or_else(|| io::Error::other("its path leads out of the archive or is too long"))?;
        if path.as_os_str().is_empty() && self.policy != Policy::Layer {
            // The folder that is extracted to stays as it is.
            return Ok(());
        }
        match self.asks(&path) {
            Asks::Nothing => {
                let status = self.status(member)?;
                self.make(reader, member, &path, &status)
            }
            Asks::Gone(gone) => Ok(whiteout::make(self.parent(&path)?, gone)?),
            Asks::Opaque => {
                let folder = path.parent().unwrap_or(Path::new("")).to_owned();
                self.places.folder(&folder)?;
                self.places.set_opaque(&folder);
                Ok(())
            }
            Asks::Note => Ok(()),
        }
    }

    fn asks<'p>(&self, path: &'p Path) -> Asks<'p> {
        match self.policy {
            Policy::Layer => whiteout::asks(path),
            Policy::Files { .. } => Asks::Nothing,
        }
    }

    fn status<'m>(&self, member: &'m Member) -> io::Result<Status<'m>> {
        let status = Status::of(member)?;
        match self.policy {
            Policy::Files { copy_uid_gid: false, .. } => Ok(Status { uid: 0, gid: 0, ..status }),
            _ => Ok(status),
        }
    }

    /// The folder that an entry goes to.
    pub(super) fn parent(&mut self, path: &Path) -> io::Result<BorrowedFd<'_>> {
        use std::os::fd::AsFd;
        Ok(self.places.folder(path.parent().unwrap_or(Path::new("")))?.as_fd())
    }

    fn set_folder_times(&mut self) -> io::Result<()> {
        for (path, time) in std::mem::take(&mut self.folders) {
            let set = match (path.file_name(), path.parent()) {
                (Some(name), Some(above)) => self
                    .places
                    .folder(above)
                    .map(|folder| utimensat(folder, name, &time, &time, UtimensatFlags::NoFollowSymlink)),
                _ => Ok(utimensat(self.places.root(), ".", &time, &time, UtimensatFlags::NoFollowSymlink)),
            };
            match set {
                // A later entry took its place.
                Ok(Err(Errno::ENOENT | Errno::ENOTDIR)) | Err(_) => {}
                Ok(other) => other?,
            }
        }
        Ok(())
    }
}

fn named(name: &[u8], error: &io::Error) -> io::Error {
    let text: String = String::from_utf8_lossy(name).chars().take(200).collect();
    let full =
        error.raw_os_error().map(Errno::from_raw).is_some_and(|e| matches!(e, Errno::ENOSPC | Errno::EDQUOT));
    let kind = if full { io::ErrorKind::StorageFull } else { error.kind() };
    io::Error::new(kind, format!("entry `{text}`: {error}"))
}
