//! Why an operation on a container fails, in the words that engines look for.

use std::io;
use std::path::PathBuf;

use crate::failure::StepError;
use crate::process::seccomp::CompileError;
use crate::spec::SpecError;

/// An operation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The id is empty.
    #[error("container id cannot be empty")]
    EmptyId,
    /// The id is no plain name.
    #[error("invalid container ID format: {0:?}")]
    InvalidId(String),
    /// There is a container of this id.
    #[error("container with given ID already exists: {0}")]
    Exists(String),
    /// There is none.
    #[error("container does not exist: {0}")]
    Missing(String),
    /// The bundle has no readable config.
    #[error("{}", config_message(.path, .source))]
    Config {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The document is not one.
    #[error("{0}")]
    Document(#[from] serde_json::Error),
    /// The spec cannot be carried out.
    #[error("{0}")]
    Spec(#[from] SpecError),
    /// Its filter cannot be compiled.
    #[error("{0}")]
    Filter(#[from] CompileError),
    /// Its cgroup refused.
    #[error("{0}")]
    Cgroup(#[from] crate::cgroup::Error),
    /// A step of the set-up failed.
    #[error("{}", step_message(.0))]
    Step(#[from] StepError),
    /// A hook failed, or something else whose message says it all.
    #[error("{0}")]
    Said(String),
    /// A file could not be used.
    #[error("{operation} {}: {}", .path.display(), plain(.source))]
    File {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn file(operation: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { operation, path, source }
    }

    pub(crate) fn said(text: impl Into<String>) -> Self {
        Self::Said(text.into())
    }
}

fn config_message(path: &std::path::Path, source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::NotFound => format!("JSON specification file {} not found", path.display()),
        _ => format!("open {}: {}", path.display(), plain(source)),
    }
}

/// A program that is missing is the caller's affair; everything else is a failure of the set-up.
fn step_message(error: &StepError) -> String {
    match error.step.as_str() {
        "exec" => format!("unable to start container process: {}", error.cause()),
        _ => format!("unable to start container process: error during container init: {error}"),
    }
}

/// The kernel's words without the number.
pub(super) fn plain(error: &io::Error) -> String {
    let errno = error.raw_os_error().map(nix::errno::Errno::from_raw);
    errno.map_or_else(|| error.to_string(), |errno| errno.desc().to_lowercase())
}
