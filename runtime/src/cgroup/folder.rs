//! One control group as a directory descriptor: its files are read and written relative to it, never by a long path.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::{Error, Seat};

/// Longest file of a control group that is read; the longest of interest here are lists of a few thousand pids.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// An open control group.
#[derive(Debug)]
pub(super) struct Folder {
    fd: OwnedFd,
    /// For messages only.
    name: String,
}

impl Folder {
    /// Opens the root of a mounted hierarchy.
    pub(super) fn open_root(path: &str) -> Result<Self, Error> {
        let fd = open(path, directory(), Mode::empty()).map_err(|e| Error::kernel("open", path, e))?;
        Ok(Self { fd, name: path.to_owned() })
    }

    /// Opens a group below this one; `None` when there is none.
    pub(super) fn open(&self, name: &str) -> Result<Option<Self>, Error> {
        match openat(&self.fd, name, directory(), Mode::empty()) {
            Ok(fd) => Ok(Some(Self { fd, name: self.path_of(name) })),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(Error::kernel("open", self.path_of(name), errno)),
        }
    }

    /// Opens a group below this one, and makes it first where there is none.
    pub(super) fn create(&self, name: &str) -> Result<Self, Error> {
        match mkdirat(&self.fd, name, Mode::from_bits_truncate(0o755)) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(Error::kernel("create", self.path_of(name), errno)),
        }
        self.open(name)?.ok_or_else(|| Error::kernel("open", self.path_of(name), Errno::ENOENT))
    }

    /// Removes a group below this one. A missing one is removed already.
    pub(super) fn remove(&self, name: &str) -> Result<(), Errno> {
        match unlinkat(&self.fd, name, UnlinkatFlags::RemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// Opens a file of this group.
    pub(super) fn file(&self, file: &str, flags: OFlag) -> Result<File, Error> {
        let flags = flags | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        let fd = openat(&self.fd, file, flags, Mode::empty())
            .map_err(|errno| Error::kernel("open", self.path_of(file), errno))?;
        Ok(File::from(fd))
    }

    /// Where a process moves itself in, on version 1.
    pub(super) fn seat(&self) -> Result<Seat, Error> {
        Ok(Seat::new(self.file("tasks", OFlag::O_WRONLY)?, self.path_of("tasks").into()))
    }

    /// Whether the group has this file: which depends on the kernel and the controllers.
    pub(super) fn has(&self, file: &str) -> bool {
        openat(&self.fd, file, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).is_ok()
    }

    /// Writes a value in one call, as the kernel wants it.
    pub(super) fn write(&self, file: &str, value: &str) -> Result<(), Error> {
        self.file(file, OFlag::O_WRONLY)?
            .write_all(value.as_bytes())
            .map_err(|source| Error::kernel("write", format!("{} <- {value}", self.path_of(file)), source))
    }

    /// Reads a file.
    pub(super) fn read(&self, file: &str) -> Result<String, Error> {
        let mut text = String::new();
        self.file(file, OFlag::O_RDONLY)?
            .take(MAX_FILE_BYTES)
            .read_to_string(&mut text)
            .map_err(|source| Error::kernel("read", self.path_of(file), source))?;
        Ok(text)
    }

    /// Reads a file that holds one number.
    pub(super) fn read_number(&self, file: &str) -> Result<u64, Error> {
        self.read(file)?.trim().parse().map_err(|_| Error::Unexpected { object: self.path_of(file) })
    }

    /// Reads the number after `key` in a file of `key number` lines.
    pub(super) fn read_keyed(&self, file: &str, key: &str) -> Result<u64, Error> {
        let text = self.read(file)?;
        let number = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.parse().ok());
        number.ok_or_else(|| Error::Unexpected { object: format!("{}: {key}", self.path_of(file)) })
    }

    /// Process ids in this group itself. Those of another pid namespace show as 0 and are left out.
    pub(super) fn processes(&self) -> Result<Vec<i32>, Error> {
        let text = self.read("cgroup.procs")?;
        Ok(text.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid > 0).collect())
    }

    /// Names of the groups below this one.
    pub(super) fn children(&self) -> Result<Vec<String>, Error> {
        let failed = |errno| Error::kernel("list", self.name.clone(), errno);
        let mut folder = Dir::openat(&self.fd, ".", directory(), Mode::empty()).map_err(failed)?;
        let mut names = Vec::new();
        for entry in folder.iter() {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_string_lossy();
            if entry.file_type() == Some(Type::Directory) && !name.starts_with('.') {
                names.push(name.into_owned());
            }
        }
        Ok(names)
    }

    /// The name for messages of something in this group.
    pub(super) fn path_of(&self, name: &str) -> String {
        format!("{}/{name}", self.name)
    }

    /// A second descriptor of the same group.
    pub(super) fn try_clone(&self) -> Result<Self, Error> {
        let fd =
            self.fd.try_clone().map_err(|source| Error::kernel("duplicate", self.name.clone(), source))?;
        Ok(Self { fd, name: self.name.clone() })
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn directory() -> OFlag {
    OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW
}
