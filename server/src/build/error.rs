//! Why a build ended early.

use sandlot_runtime::supervisor::client::ClientError;

use super::dockerfile;
use crate::image::UnpackError;

/// A build failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A mistake in the Dockerfile, also one that shows only when it is run.
    #[error(transparent)]
    Dockerfile(#[from] dockerfile::Error),
    /// A command ended with another status than 0.
    #[error("Dockerfile line {line}: the command `{command}` returned a non-zero code: {code}")]
    Command {
        /// The line of RUN.
        line: usize,
        /// What ran, shortened.
        command: String,
        /// Its exit code; 128 and the signal for one that was killed.
        code: i32,
    },
    /// The content store refused.
    #[error(transparent)]
    Image(#[from] sandlot_runtime::image::Error),
    /// The supervisor refused or is gone.
    #[error(transparent)]
    Supervisor(#[from] ClientError),
    /// A layer could not be unpacked.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// Files could not be read or written.
    #[error("{operation}: {source}")]
    Io {
        /// What was done.
        operation: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// A base image is not to be had.
    #[error("find the base image `{image}`: {cause}")]
    Base {
        /// Its name.
        image: String,
        /// Why.
        cause: String,
    },
    /// The request itself is wrong.
    #[error("{0}")]
    Request(String),
}

impl Error {
    /// For `map_err`.
    pub(super) fn io(operation: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { operation, source }
    }

    /// A mistake in the instruction at a line.
    pub(super) fn at(line: usize, cause: impl Into<String>) -> Self {
        Self::Dockerfile(dockerfile::Error::at(line, cause))
    }
}

/// What steps of a build give.
pub type Result<T> = std::result::Result<T, Error>;
