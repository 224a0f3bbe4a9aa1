//! A descriptor that goes along when the supervisor replaces its program.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::sys::descriptor;

/// A descriptor whose serial form is its number. Writing it down also lets it survive `execve`; reading it takes it
/// over. Only the state of a re-exec is written or read this way, once each.
#[derive(Debug)]
pub(crate) struct Kept(OwnedFd);

impl Kept {
    /// A duplicate, to hand out.
    pub(crate) fn duplicate(&self) -> std::io::Result<OwnedFd> {
        self.0.try_clone()
    }
}

impl From<OwnedFd> for Kept {
    fn from(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }
}

impl From<Kept> for OwnedFd {
    fn from(kept: Kept) -> Self {
        kept.0
    }
}

impl AsFd for Kept {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Serialize for Kept {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        fcntl(&self.0, FcntlArg::F_SETFD(FdFlag::empty())).map_err(serde::ser::Error::custom)?;
        serializer.serialize_i32(self.0.as_raw_fd())
    }
}

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = RawFd::deserialize(deserializer)?;
        if number < 3 {
            return Err(serde::de::Error::custom("a kept descriptor must be above the standard ones"));
        }
        Ok(Self(descriptor::own(number)))
    }
}
