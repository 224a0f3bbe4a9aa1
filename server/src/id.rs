//! Names of sessions, instances, terminals and playgrounds as they stand in URLs, rows and messages.
//!
//! Parsed at the edge; a value of one of these types is well-formed. None of them is a secret.

use std::fmt;
use std::str::FromStr;

use sandlot_runtime::supervisor::name::{Hostname, InstanceIndex, TerminalNumber};
use serde::{Deserialize, Serialize};

/// A text is not the name it stands for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {rule}")]
pub struct InvalidId {
    what: &'static str,
    rule: &'static str,
}

/// Implements the conversions that every text-like id has, from its `parse` function.
macro_rules! text_id {
    ($name:ident) => {
        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

fn is_lower_alphanumeric(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// Short name of a node: 1 to 16 of `a-z` and `0-9`. Part of every session id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeId(String);

text_id!(NodeId);

impl FromStr for NodeId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if (1..=16).contains(&text.len()) && is_lower_alphanumeric(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId { what: "node id", rule: "must be 1 to 16 of a-z and 0-9" })
        }
    }
}

impl NodeId {
    /// A new random name of four characters.
    ///
    /// # Errors
    /// When the kernel gives no random bytes.
    pub fn random() -> Result<Self, getrandom::Error> {
        random_text(4).map(Self)
    }
}

/// A session: `<node id>-<16 random characters>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId(String);

text_id!(SessionId);

const SESSION_RANDOM_CHARS: usize = 16;

impl SessionId {
    /// A new id on `node`.
    ///
    /// # Errors
    /// When the kernel gives no random bytes.
    pub fn random(node: &NodeId) -> Result<Self, getrandom::Error> {
        Ok(Self(format!("{node}-{}", random_text(SESSION_RANDOM_CHARS)?)))
    }
}

impl FromStr for SessionId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid =
            InvalidId { what: "session id", rule: "must be a node id, a hyphen and 16 of a-z and 0-9" };
        let (node, random) = text.split_once('-').ok_or_else(|| invalid.clone())?;
        node.parse::<NodeId>()?;
        if random.len() == SESSION_RANDOM_CHARS && is_lower_alphanumeric(random) {
            Ok(Self(text.to_owned()))
        } else {
            Err(invalid)
        }
    }
}

/// An instance of a session: `m1` to `m16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InstanceName(InstanceIndex);

impl InstanceName {
    /// Its place in the session.
    pub fn index(self) -> InstanceIndex {
        self.0
    }

    /// Whether a host name means something else in every session.
    pub fn is_taken(hostname: &Hostname) -> bool {
        let text = hostname.as_str();
        matches!(text, "localhost" | "gateway") || number_after("node", text).is_some()
    }

    /// The name by which the other instances know it: `node1` to `node16`.
    pub fn hostname(self) -> String {
        format!("node{}", u32::from(self.0.get()) + 1)
    }
}

impl From<InstanceIndex> for InstanceName {
    fn from(index: InstanceIndex) -> Self {
        Self(index)
    }
}

impl FromStr for InstanceName {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId { what: "instance name", rule: "must be m1 to m16" };
        let number = number_after("m", text).ok_or_else(invalid)?;
        let index = number.checked_sub(1).and_then(|i| u8::try_from(i).ok()).ok_or_else(invalid)?;
        InstanceIndex::try_from(index).map(Self).map_err(|_| invalid())
    }
}

impl TryFrom<String> for InstanceName {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<InstanceName> for String {
    fn from(name: InstanceName) -> String {
        name.to_string()
    }
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m{}", u32::from(self.0.get()) + 1)
    }
}

/// A terminal of a session: `t1`, `t2`, ... Never used twice in one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TerminalId(TerminalNumber);

impl TerminalId {
    /// Its number in the session.
    pub fn number(self) -> TerminalNumber {
        self.0
    }
}

impl From<TerminalNumber> for TerminalId {
    fn from(number: TerminalNumber) -> Self {
        Self(number)
    }
}

impl FromStr for TerminalId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = InvalidId { what: "terminal id", rule: "must be t and a number" };
        number_after("t", text).map(|n| Self(TerminalNumber(n))).ok_or(invalid)
    }
}

impl TryFrom<String> for TerminalId {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<TerminalId> for String {
    fn from(id: TerminalId) -> String {
        id.to_string()
    }
}

impl fmt::Display for TerminalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t{}", self.0.0)
    }
}

/// Name of a playground or an image: 1 to 32 of `a-z`, `0-9` and inner hyphens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PlaygroundName(String);

text_id!(PlaygroundName);

impl FromStr for PlaygroundName {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let inner = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let ends = !text.starts_with('-') && !text.ends_with('-');
        if inner && ends && (1..=32).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId { what: "playground name", rule: "must be 1 to 32 of a-z, 0-9 and inner hyphens" })
        }
    }
}

/// The one spelling of a decimal number (no sign, no leading zero) behind `word`.
fn number_after(word: &str, text: &str) -> Option<u32> {
    let digits = text.strip_prefix(word)?;
    let number: u32 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

/// `length` random characters of `a-z` and `2-7`: five bits each.
fn random_text(length: usize) -> Result<String, getrandom::Error> {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_parses_prints_the_same(text in "[mt]?[a-z0-9-]{0,24}") {
            if let Ok(id) = text.parse::<SessionId>() { prop_assert_eq!(id.to_string(), text.clone()); }
            if let Ok(name) = text.parse::<InstanceName>() { prop_assert_eq!(name.to_string(), text.clone()); }
            if let Ok(id) = text.parse::<TerminalId>() { prop_assert_eq!(id.to_string(), text.clone()); }
            if let Ok(name) = text.parse::<PlaygroundName>() { prop_assert_eq!(name.to_string(), text); }
        }
    }

    #[test]
    fn random_ids_parse_and_wrong_ones_do_not() {
        let node = NodeId::random().unwrap();
        let id = SessionId::random(&node).unwrap();
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in ["", "-", "a-b", "A-aaaaaaaaaaaaaaaa", "../../etc/passwd", "ab12-aaaaaaaaaaaaaaa/"] {
            assert!(wrong.parse::<SessionId>().is_err(), "{wrong}");
        }
        for wrong in ["m0", "m17", "m01", "m+1", "m", "1"] {
            assert!(wrong.parse::<InstanceName>().is_err(), "{wrong}");
        }
    }
}
