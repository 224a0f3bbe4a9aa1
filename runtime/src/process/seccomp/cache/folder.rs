//! The folder of kept filters: whose it must be, how a file gets into it whole, and how many there may be.

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat, renameat};
use nix::sys::stat::{Mode, fstatat};
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};

use crate::process::seccomp::MAX_INSTRUCTIONS;

/// Files that are kept; a host has a handful of profiles.
pub(super) const MAX_FILES: usize = 64;
/// More than the longest filter takes.
const MAX_BYTES: u64 = 16 * MAX_INSTRUCTIONS as u64;
/// Any access of others.
const OTHERS: u32 = 0o077;

/// A folder that only the own user can look into.
pub(super) struct Folder {
    folder: OwnedFd,
}

impl Folder {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let folder = match open(path, flags, Mode::empty()) {
            Err(Errno::ENOENT) => {
                DirBuilder::new().mode(0o700).create(path)?;
                open(path, flags, Mode::empty())?
            }
            other => other?,
        };
        let folder = File::from(folder);
        verify(&folder)?;
        Ok(Self { folder: folder.into() })
    }

    pub(super) fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file = File::from(openat(&self.folder, name, flags, Mode::empty())?);
        verify(&file)?;
        let mut bytes = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Replaces what has this name; readers see the old one or the new one, whole.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.make_room()?;
        let part = format!(".part-{}", std::process::id());
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        let mut file =
            File::from(openat(&self.folder, part.as_str(), flags, Mode::from_bits_truncate(0o600))?);
        let written = file
            .write_all(bytes)
            .and_then(|()| Ok(renameat(&self.folder, part.as_str(), &self.folder, name)?));
        if written.is_err() {
            self.remove(&part)?;
        }
        written
    }

    /// Half-written files are among those that go: they are as old as their writer's end.
    fn make_room(&self) -> io::Result<()> {
        let mut files = self.files()?;
        files.sort_unstable();
        let excess = (files.len() + 1).saturating_sub(MAX_FILES);
        files.iter().take(excess).try_for_each(|(_, name)| self.remove(name))
    }

    fn files(&self) -> io::Result<Vec<(i64, String)>> {
        let mut files = Vec::new();
        for entry in Dir::openat(&self.folder, ".", OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if !matches!(name, "." | "..") {
                let state = fstatat(&self.folder, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
                files.push((state.st_mtime, name.to_owned()));
            }
        }
        Ok(files)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match unlinkat(&self.folder, name, UnlinkatFlags::NoRemoveDir) {
            // Another process was faster.
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Own and nobody else's, neither to read nor to write.
fn verify(file: &File) -> io::Result<()> {
    let state = file.metadata()?;
    let own = state.uid() == geteuid().as_raw() && state.mode() & OTHERS == 0;
    if own && (state.is_dir() || state.is_file()) {
        Ok(())
    } else {
        Err(io::ErrorKind::PermissionDenied.into())
    }
}
