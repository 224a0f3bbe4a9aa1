//! How far the making of an image is: a small file that its maker keeps locked while it lives.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

/// Length of the file: one write of it replaces the last one whole.
const FILE_BYTES: usize = 512;
/// Longest text of a stage or failure that fits.
const TEXT_CHARS: usize = 200;

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Making {
    /// What is being done, for people.
    pub stage: String,
    /// From 0 to 100.
    pub percent: u8,
    /// Why it stopped, where it failed.
    pub failed: Option<String>,
}

impl std::fmt::Display for Making {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} %, {}", self.percent, self.stage)
    }
}

/// The maker's side. While it lives, readers see [`Making`].
#[derive(Debug)]
pub struct Progress {
    file: Flock<File>,
    last: Making,
}

impl Progress {
    /// Starts the making of `name`; `None` when another process makes it already.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn start(folder: &Path, name: &str) -> io::Result<Option<Self>> {
        fs::create_dir_all(folder)?;
        let file = File::options().create(true).truncate(false).write(true).open(folder.join(name))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => Ok(Some(Self { file, last: Making::default() })),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, errno)) => Err(errno.into()),
        }
    }

    /// Says what is being done now.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn report(&mut self, stage: &str, percent: u8) -> io::Result<()> {
        self.last = Making { stage: shortened(stage), percent: percent.min(100), failed: None };
        self.write()
    }

    /// Says why it stops.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn fail(mut self, why: &str) -> io::Result<()> {
        self.last.failed = Some(shortened(why));
        self.write()
    }

    fn write(&self) -> io::Result<()> {
        let mut text = serde_json::to_vec(&self.last)?;
        text.resize(FILE_BYTES, b' ');
        self.file.write_all_at(&text, 0)
    }
}

fn shortened(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    // Two bytes a character at most keep the whole document below the file's length for the texts that recipes print.
    plain.filter(char::is_ascii).take(TEXT_CHARS).collect()
}

/// The reader's side: what the maker of `name` said last, and whether it still lives.
pub(super) fn read(folder: &Path, name: &str) -> Option<(Making, bool)> {
    let file = File::open(folder.join(name)).ok()?;
    let mut text = vec![0; FILE_BYTES];
    let length = file.read_at(&mut text, 0).ok()?;
    let making = serde_json::from_slice(text.get(..length)?).unwrap_or_default();
    let lives = Flock::lock(file, FlockArg::LockSharedNonblock).is_err();
    Some((making, lives))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maker_is_seen_while_it_lives_and_its_failure_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path(), "tiny"), None);
        let mut progress = Progress::start(folder.path(), "tiny").unwrap().unwrap();
        assert!(Progress::start(folder.path(), "tiny").unwrap().is_none(), "a second maker");
        progress.report("unpacking", 40).unwrap();
        let (making, lives) = read(folder.path(), "tiny").unwrap();
        assert_eq!((making.stage.as_str(), making.percent, lives), ("unpacking", 40, true));
        progress.fail(&"x".repeat(5000)).unwrap();
        let (making, lives) = read(folder.path(), "tiny").unwrap();
        assert_eq!((making.failed.map(|f| f.len()), lives), (Some(TEXT_CHARS), false));
    }
}
