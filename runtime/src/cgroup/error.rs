//! What can go wrong with control groups.

use std::io;

/// A step on a control group failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host has no control groups where this process can see them.
    #[error("find the control groups: no cgroup file system is mounted")]
    NotMounted,
    /// A controller is missing without which an instance cannot be contained.
    #[error("find the controller `{0}`: no mounted cgroup hierarchy has it")]
    NoController(&'static str),
    /// The parent's name is not a plain relative path.
    #[error("open the cgroup parent `{0}`: must be a relative path without `.` and `..`")]
    InvalidParent(String),
    /// A file of a control group does not hold what the kernel documents.
    #[error("read `{object}`: unexpected content")]
    Unexpected {
        /// The file.
        object: String,
    },
    /// Something else, in the words that engines know.
    #[error("{0}")]
    Said(String),
    /// The kernel refused a value, in the words that engines know.
    #[error("failed to write {value:?}: write {}: {}", .path.display(), plain(.source))]
    Write {
        /// The value.
        value: String,
        /// The file.
        path: std::path::PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The kernel refused.
    #[error("{operation} `{object}`: {source}")]
    Kernel {
        /// What was tried.
        operation: &'static str,
        /// On which folder or file.
        object: String,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl Error {
    pub(super) fn kernel(
        operation: &'static str,
        object: impl Into<String>,
        source: impl Into<io::Error>,
    ) -> Self {
        Self::Kernel { operation, object: object.into(), source: source.into() }
    }

    /// Whether the kernel refused for want of rights.
    pub(super) fn is_refusal(&self) -> bool {
        use nix::libc::{EACCES, EPERM, EROFS};
        matches!(self.errno(), Some(EACCES | EPERM | EROFS))
    }

    /// The kernel's error number, where it was the kernel.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Kernel { source, .. } | Self::Write { source, .. } => source.raw_os_error(),
            _ => None,
        }
    }
}

/// The kernel's words without the number.
fn plain(error: &io::Error) -> String {
    let errno = error.raw_os_error().map(nix::errno::Errno::from_raw);
    errno.map_or_else(|| error.to_string(), |errno| errno.desc().to_lowercase())
}
