//! Why an archive was not read or written: for the user of the session, without a path of the host.

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

/// What callers match on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ErrorKind {
    /// Nothing is at the path.
    Missing,
    /// The archive or the path is not what it should be.
    Invalid,
    /// The disk is full.
    Full,
    /// The system refused.
    Failed,
}

/// An archive was not read or written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What callers match on.
    pub kind: ErrorKind,
    /// Operation and object, in lower case.
    pub message: String,
}

impl Error {
    /// What the kernel said to an operation.
    pub(super) fn system(operation: impl std::fmt::Display) -> impl FnOnce(Errno) -> Self {
        move |errno| Self {
            kind: kind_of(errno),
            message: format!("{operation}: {}", errno.desc().to_lowercase()),
        }
    }

    /// The archive or the path is at fault.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Invalid, message: message.into() }
    }

    /// What a stream or an entry gave.
    pub(super) fn io(operation: impl std::fmt::Display, error: &std::io::Error) -> Self {
        let kind = match error.raw_os_error().map(Errno::from_raw) {
            Some(errno) => kind_of(errno),
            None if error.kind() == std::io::ErrorKind::StorageFull => ErrorKind::Full,
            None => ErrorKind::Invalid,
        };
        Self { kind, message: format!("{operation}: {error}") }
    }
}

fn kind_of(errno: Errno) -> ErrorKind {
    match errno {
        Errno::ENOENT => ErrorKind::Missing,
        Errno::ENOTDIR | Errno::ELOOP | Errno::ENAMETOOLONG => ErrorKind::Invalid,
        Errno::ENOSPC | Errno::EDQUOT => ErrorKind::Full,
        _ => ErrorKind::Failed,
    }
}
