//! What the start of an instance made in its files, which is not the user's change: `/etc/hosts`, places of mounts and
//! the like. Written down once, when nothing else has run inside yet, and left out of every diff.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::dir::Dir;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use serde::{Deserialize, Serialize};

use crate::sys::birth;

/// Name of the list in the instance's folder.
const LIST: &str = "made.json";
/// Entries of the list at most: a start makes about twenty.
const MAX_ENTRIES: usize = 1000;
const FOLDER: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// Files by their paths inside, each with what tells it from another one that takes its place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made(BTreeMap<String, (birth::Identity, birth::Changed)>);

/// Files that are the machine's own, whoever writes to them; in Docker they are not even in the container's layer. One
/// that is put in their place is the user's.
const NAMES: [&str; 3] = ["etc/hostname", "etc/hosts", "etc/resolv.conf"];

impl Made {
    /// Whether a path still is what the start made: a folder whatever is in it, another file only as long as nobody has
    /// changed it.
    pub(super) fn has(&self, path: &[u8], is_folder: bool, folder: BorrowedFd<'_>, name: &CStr) -> bool {
        let Some(path) = std::str::from_utf8(path).ok() else { return false };
        let Some((identity, changed)) = self.0.get(path) else { return false };
        let may_change = is_folder || NAMES.contains(&path);
        birth::of(folder, name).is_ok_and(|(found, at)| found == *identity && (may_change || at == *changed))
    }

    /// Everything that is in `upper` now.
    ///
    /// # Errors
    /// What the kernel gives; also when there is more than a start makes.
    pub fn look(upper: BorrowedFd<'_>) -> io::Result<Self> {
        let mut made = Self::default();
        made.look_below(openat(upper, ".", FOLDER, Mode::empty())?, "")?;
        Ok(made)
    }

    fn look_below(&mut self, folder: OwnedFd, path: &str) -> io::Result<()> {
        let mut listing = Dir::from_fd(folder.try_clone()?)?;
        for entry in listing.iter() {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            if matches!(name.as_str(), "." | "..") {
                continue;
            }
            if self.0.len() >= MAX_ENTRIES {
                return Err(io::Error::other("more files than a start makes"));
            }
            let inner = format!("{path}{name}");
            self.0.insert(inner.clone(), birth::of(folder.as_fd(), entry.file_name())?);
            if let Ok(below) = openat(&folder, name.as_str(), FOLDER, Mode::empty()) {
                self.look_below(below, &format!("{inner}/"))?;
            }
        }
        Ok(())
    }

    /// Whether the list was written already.
    pub fn is_written(folder: &Path) -> bool {
        folder.join(LIST).exists()
    }

    /// Writes the list into the instance's folder.
    ///
    /// # Errors
    /// What the system gives.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        fs::write(folder.join(LIST), serde_json::to_vec(self)?)
    }

    /// Reads the list; empty where none was written.
    ///
    /// # Errors
    /// What the system gives.
    pub fn read(folder: &Path) -> io::Result<Self> {
        match fs::read(folder.join(LIST)) {
            Ok(text) => Ok(serde_json::from_slice(&text)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }
}
