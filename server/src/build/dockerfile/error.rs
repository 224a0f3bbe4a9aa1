//! A mistake in a Dockerfile, with its line.

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Dockerfile line {line}: {cause}")]
pub struct Error {
    /// The first line of the instruction, from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub cause: String,
}

impl Error {
    /// A mistake in an instruction that begins at `line`.
    pub fn at(line: usize, cause: impl Into<String>) -> Self {
        Self { line, cause: cause.into() }
    }
}

/// What reading gives.
pub type Result<T> = std::result::Result<T, Error>;
