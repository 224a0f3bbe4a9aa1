//! Secrets: 160 random bits as text for their holder, SHA-256 for everybody else.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const RANDOM_BYTES: usize = 20;
/// Length of a token's text.
const TEXT_CHARS: usize = 27;

/// A secret. Its text is given to its holder once; it prints as nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Token {
    /// A new one.
    ///
    /// # Errors
    /// When the kernel gives no random bytes.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; RANDOM_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// What someone presents as a token; `None` when it cannot be one.
    pub fn presented(text: &str) -> Option<Self> {
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        (text.len() == TEXT_CHARS && plain).then(|| Self(text.to_owned()))
    }

    /// The text, for the holder only.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0.as_bytes()).into())
    }
}

/// SHA-256 of a token.
#[derive(Debug, Clone, Copy, Hash, PartialEq, Eq)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// From a row.
    pub fn from_row(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Whether this is the hash of `token`, in a time that says nothing about the difference.
    pub fn matches(&self, token: &Token) -> bool {
        self.0.ct_eq(&token.hash().0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_matches_its_hash_only() {
        let (one, other) = (Token::random().unwrap(), Token::random().unwrap());
        assert!(one.hash().matches(&Token::presented(one.expose()).unwrap()));
        assert!(!one.hash().matches(&other));
        assert!(Token::presented("short").is_none());
        assert!(Token::presented("/../../../../../etc/passwd0").is_none());
        assert_eq!(format!("{one:?}"), "Token(..)");
    }
}
