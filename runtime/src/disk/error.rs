//! What can go wrong with disks.

use std::io;

/// A step on an instance's disk failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused.
    #[error("{operation} `{object}`: {source}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        object: String,
        /// The system's answer.
        source: io::Error,
    },
    /// `mke2fs` did not make a file system.
    #[error("make the ext4 template: {0}; `mke2fs` is needed (Debian: apt install e2fsprogs)")]
    Template(String),
    /// The node's own disk would run full.
    #[error(
        "make a disk: the node's disk is nearly full ({free_bytes} bytes free, {reserve_bytes} are kept)"
    )]
    NearlyFull {
        /// Free now.
        free_bytes: u64,
        /// What stays free for the node.
        reserve_bytes: u64,
    },
    /// The limit was set, and more could be written.
    #[error("try the disk driver `{0}`: more could be written than its limit")]
    NoLimit(&'static str),
    /// The driver was tried in a process that came to no end of its own.
    #[error("try the disk driver `{0}`: {1}")]
    Untried(&'static str, String),
    /// There is no such driver.
    #[error("choose a disk driver: `{0}` is none of auto, project-quota, ext4-image, tmpfs, none")]
    UnknownDriver(String),
}

impl Error {
    /// For `map_err`: wraps the system's answer.
    pub(super) fn io<E: Into<io::Error>>(
        operation: &'static str,
        object: impl ToString,
    ) -> impl FnOnce(E) -> Self {
        let object = object.to_string();
        move |source| Self::Io { operation, object, source: source.into() }
    }
}
