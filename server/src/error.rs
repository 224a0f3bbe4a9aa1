//! What a use case can fail with: a kind that callers match on, a sentence for the user, and the cause for the log.
//!
//! The sentence is safe to show and never contains the cause. Kinds become HTTP statuses in `http/problem.rs` only.

use std::error::Error as StdError;
use std::time::Duration;

/// What callers match on. The text of [`ErrorKind::slug`] is part of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// There is no such thing, or the proof for it is missing.
    NotFound,
    /// The request cannot be read.
    Malformed,
    /// The request can be read, but asks for what cannot be done.
    Invalid,
    /// The proof came from a page of another origin.
    ForeignOrigin,
    /// The session has ended.
    Ended,
    /// Not in the present state.
    Conflict,
    /// The client address holds or starts too many sessions.
    TooMany,
    /// The node or the session has no room.
    Full,
    /// The node's disk is full.
    DiskFull,
    /// The playground's image is missing or still being made.
    ImageNotReady,
    /// The supervisor is away.
    Unavailable,
    /// The instance could not be made or changed.
    StartFailed,
    /// A body, field or list is too long.
    TooLarge,
    /// A defect or an operating system failure.
    Internal,
}

impl ErrorKind {
    /// Every kind, for documentation.
    pub const ALL: [Self; 14] = [
        Self::NotFound,
        Self::Malformed,
        Self::Invalid,
        Self::ForeignOrigin,
        Self::Ended,
        Self::Conflict,
        Self::TooMany,
        Self::Full,
        Self::DiskFull,
        Self::ImageNotReady,
        Self::Unavailable,
        Self::StartFailed,
        Self::TooLarge,
        Self::Internal,
    ];

    /// Stable short name: the last part of a problem's `type`, and a metric label.
    pub fn slug(self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::Malformed => "malformed",
            Self::Invalid => "invalid",
            Self::ForeignOrigin => "foreign-origin",
            Self::Ended => "session-ended",
            Self::Conflict => "conflict",
            Self::TooMany => "too-many",
            Self::Full => "full",
            Self::DiskFull => "disk-full",
            Self::ImageNotReady => "image-not-ready",
            Self::Unavailable => "unavailable",
            Self::StartFailed => "start-failed",
            Self::TooLarge => "too-large",
            Self::Internal => "internal",
        }
    }
}

/// A failed use case.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub struct Error {
    kind: ErrorKind,
    detail: String,
    retry_after: Option<Duration>,
    #[source]
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

/// Result of a use case.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error with a sentence for the user.
    pub fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), retry_after: None, cause: None }
    }

    /// There is no such `what`.
    pub fn not_found(what: &str) -> Self {
        Self::new(ErrorKind::NotFound, format!("There is no such {what}, or the proof for it is missing."))
    }

    /// A defect or an operating system failure, told in full to the log only.
    pub fn internal(cause: impl StdError + Send + Sync + 'static) -> Self {
        Self::new(
            ErrorKind::Internal,
            "Something failed on the node. Try again; the operator's log says more.",
        )
        .with_cause(cause)
    }

    /// Adds what it came from, for the log.
    #[must_use]
    pub fn with_cause(mut self, cause: impl StdError + Send + Sync + 'static) -> Self {
        self.cause = Some(Box::new(cause));
        self
    }

    /// Adds when to try again.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// What callers match on.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The sentence for the user.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// When to try again, where that is known.
    pub fn retry(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The error with all its causes in one line, for the log.
    pub fn chain(&self) -> String {
        let mut line = self.detail.clone();
        let mut cause = self.source();
        while let Some(error) = cause {
            line.push_str(": ");
            line.push_str(&error.to_string());
            cause = error.source();
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_sees_no_cause_and_the_log_sees_all() {
        let error = Error::internal(std::io::Error::other("disk on fire"));
        assert!(!error.to_string().contains("fire"));
        assert!(error.chain().ends_with(": disk on fire"));
    }
}
