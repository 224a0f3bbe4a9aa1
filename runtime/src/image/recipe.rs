//! The images that others are built from, made on this host from what it has: no registry is asked.
//!
//! A recipe makes the uncompressed tar of a root file system. It may start programs, so it belongs in a process of its
//! own (`sandlot image make`), never in serve or the supervisor.

mod debian;
mod tiny;

use std::fs::File;
use std::io::Seek;
use std::str::FromStr;

pub use self::debian::Meter;
use super::{Error, Image, Reference, Scope, Store};

/// How far a recipe is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Of the whole, 0 to 100; never falls.
    pub percent: u8,
    /// What it does now, in a few words.
    pub stage: String,
}

/// The images that can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recipe {
    /// busybox alone: a few megabytes, made in a moment from the host's static busybox.
    Tiny,
    /// The smallest Debian that apt works in, by mmdebstrap: root and Debian's archive are needed.
    Debian,
}

impl Recipe {
    /// All of them, the quickest first.
    pub const ALL: [Self; 2] = [Self::Tiny, Self::Debian];

    /// The name of the image.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Debian => "debian",
        }
    }

    /// Writes the tar of the root file system into an empty file. Calls `progress` now and then.
    ///
    /// # Errors
    /// With what is missing on this host, and what to do.
    pub fn make(self, into: &mut File, progress: &mut dyn FnMut(Progress)) -> Result<(), Error> {
        match self {
            Self::Tiny => tiny::make(into, progress),
            Self::Debian => debian::make(into, progress),
        }
    }

    /// Makes the image and imports it under its name, as the node's.
    ///
    /// # Errors
    /// As for [`Recipe::make`] and [`Store::import`].
    pub fn make_in(self, store: &Store, progress: &mut dyn FnMut(Progress)) -> Result<Image, Error> {
        let mut tar = store.scratch()?;
        self.make(&mut tar, progress)?;
        tar.rewind().map_err(Error::io("read", self.name()))?;
        store.import(&Scope::Node, tar, Some(&Reference::from_str(self.name())?))
    }
}

impl FromStr for Recipe {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|recipe| recipe.name() == name);
        found.ok_or_else(|| failed(name, "there is no recipe of this name; there are `tiny` and `debian`"))
    }
}

fn failed(image: &str, cause: impl ToString) -> Error {
    Error::Recipe { image: image.to_owned(), cause: cause.to_string() }
}
