//! The name of an image in the store, such as `tiny` or `debian:12`.

use std::fmt;
use std::str::FromStr;

use super::Error;

/// A checked image name. It is looked up as it stands: no registry or tag is added.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference(String);

impl Reference {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let good = |b: u8| b.is_ascii_alphanumeric() || b"._-/:@".contains(&b);
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        if first && text.len() <= 255 && text.bytes().all(good) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::InvalidReference(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
