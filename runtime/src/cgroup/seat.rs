//! How a process moves itself into a version 1 group.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use super::Error;

/// What a thread writes to move itself.
const MYSELF: &str = "0";

/// A group that takes no process, in the words that engines know.
pub(super) fn no_entry(folder: &Path, source: std::io::Error) -> Error {
    Error::Write { value: MYSELF.to_owned(), path: folder.join("cgroup.procs"), source }
}

/// The file `tasks` of a version 1 group, by which a thread moves itself, wherever it is by then.
///
/// Whoever moves another process takes a lock that all forks of the host wait for, and after an idle moment an RCU grace
/// period goes by until it is taken: about 10 ms, in which a container could have ended. A thread that moves itself needs
/// no lock (`cgroup_procs_write_start` in the kernel's kernel/cgroup/cgroup.c, Linux 5.5). Version 2 has CLONE_INTO_CGROUP.
#[derive(Debug)]
pub struct Seat {
    file: File,
    path: PathBuf,
}

impl Seat {
    pub(super) fn new(file: File, path: PathBuf) -> Self {
        Self { file, path }
    }

    /// Opens it in the folder of a group.
    ///
    /// # Errors
    /// When the kernel refuses, in the words that engines know.
    pub(super) fn open(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("tasks");
        match File::options().write(true).open(&path) {
            Ok(file) => Ok(Self::new(file, path)),
            Err(source) => Err(no_entry(folder, source)),
        }
    }

    /// Moves the calling process, which must have one thread.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn take(&self) -> Result<(), Error> {
        let written = (&self.file).write_all(MYSELF.as_bytes());
        written.map_err(|source| Error::Write { value: MYSELF.to_owned(), path: self.path.clone(), source })
    }
}

impl AsFd for Seat {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
