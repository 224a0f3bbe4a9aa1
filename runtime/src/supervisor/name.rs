//! Names of the things a request may speak of: numbers and digests with their limits, never paths or powers.
//!
//! Kernel objects (cgroups, folders, links) take their names from these and from nothing else.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A text was not one of the names of this module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} `{text}`: {rule}")]
pub struct InvalidName {
    what: &'static str,
    text: String,
    rule: &'static str,
}

impl InvalidName {
    fn new(what: &'static str, text: &str, rule: &'static str) -> Self {
        Self { what, text: text.chars().take(80).collect(), rule }
    }
}

/// Number of a live session on its node; also the number of its range of host ids.
///
/// From 1 (0 is the image range) to [`SessionNumber::MAX`], and for builds a few above the node's highest. It is used again only once no process, mount or file
/// of its last session is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct SessionNumber(u32);

impl SessionNumber {
    /// The highest number of a session: ranges of 65,536 ids from the default base stay below 2^32.
    pub const MAX: u32 = 32_000;
    /// Numbers above those of a node's sessions that the supervisor gives to builds.
    pub const BUILDS: u32 = 16;

    /// The number as an integer.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for SessionNumber {
    type Error = InvalidName;

    fn try_from(number: u32) -> Result<Self, InvalidName> {
        match number {
            number if (1..=Self::MAX + Self::BUILDS).contains(&number) => Ok(Self(number)),
            _ => Err(InvalidName::new("session number", &number.to_string(), "must be between 1 and 32016")),
        }
    }
}

impl From<SessionNumber> for u32 {
    fn from(number: SessionNumber) -> u32 {
        number.0
    }
}

impl fmt::Display for SessionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Place of an instance in its session, from 0 to 15.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct InstanceIndex(u8);

impl InstanceIndex {
    /// Instances of one session, at most.
    pub const COUNT: u8 = 16;

    /// The index as an integer.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for InstanceIndex {
    type Error = InvalidName;

    fn try_from(index: u8) -> Result<Self, InvalidName> {
        if index < Self::COUNT {
            Ok(Self(index))
        } else {
            Err(InvalidName::new("instance index", &index.to_string(), "must be below 16"))
        }
    }
}

impl From<InstanceIndex> for u8 {
    fn from(index: InstanceIndex) -> u8 {
        index.0
    }
}

impl fmt::Display for InstanceIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Number of a terminal in its session, given by serve and never used twice in one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TerminalNumber(pub u32);

/// Number of an exec in its session, given by serve and never used twice in one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ExecNumber(pub u32);

/// Digest of a layer's uncompressed tar (OCI image spec, "DiffID"): 64 lower-case hexadecimal digits of SHA-256,
/// without the `sha256:` prefix. It names the unpacked tree, so it may stand in a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DiffId(String);

impl DiffId {
    /// The 64 hexadecimal digits.
    pub fn as_hex(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for DiffId {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        let hex = text.strip_prefix("sha256:").unwrap_or(&text);
        let good = hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if good {
            Ok(Self(hex.to_owned()))
        } else {
            Err(InvalidName::new("layer digest", &text, "must be 64 lower-case hexadecimal digits"))
        }
    }
}

impl From<DiffId> for String {
    fn from(digest: DiffId) -> String {
        digest.0
    }
}

impl fmt::Display for DiffId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

/// A host name of one label (RFC 1123): 1 to 63 of `a-z`, `0-9` and `-`, no `-` at an end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hostname(String);

impl Hostname {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Hostname {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        let inner = text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        let ends = !text.starts_with('-') && !text.ends_with('-');
        if inner && ends && (1..=63).contains(&text.len()) {
            Ok(Self(text))
        } else {
            Err(InvalidName::new("host name", &text, "must be 1 to 63 of a-z, 0-9 and inner hyphens"))
        }
    }
}

impl From<Hostname> for String {
    fn from(name: Hostname) -> String {
        name.0
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
