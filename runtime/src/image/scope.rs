//! Who sees an image.

use std::fmt;
use std::str::FromStr;

use super::Error;

/// The owner of image names. What one scope names no other sees; the node's images are seen by all.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// The operator's.
    Node,
    /// A session's.
    Session(ScopeName),
}

/// The name of a session as a scope: 1 to 64 of a-z, 0-9 and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeName(String);

impl ScopeName {
    /// As text, safe as the name of a file.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ScopeName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let first = text.bytes().next().is_some_and(|b| b != b'-');
        if first && text.len() <= 64 && text.bytes().all(good) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::InvalidScope(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node => f.write_str("node"),
            Self::Session(name) => f.write_str(name.as_str()),
        }
    }
}
