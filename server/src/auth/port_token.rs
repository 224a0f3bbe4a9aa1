//! Tokens of the ports of instances: derived from the node's key, so they are stored nowhere and outlive a restart.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sandlot_runtime::supervisor::name::InstanceIndex;
use sha2::{Digest, Sha256};

use crate::auth::token::TokenHash;
use crate::id::SessionId;

/// Characters of a token: 128 bits, five in each. With a port before it the label of a host name.
pub const PORT_TOKEN_CHARS: usize = 26;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The node's secret.
#[derive(Clone)]
pub struct PortKey([u8; 32]);

impl fmt::Debug for PortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PortKey(..)")
    }
}

impl PortKey {
    /// A key of these bytes, which nobody but serve knows.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The token of an instance's ports.
    pub fn token(&self, session: &SessionId, instance: InstanceIndex) -> PortToken {
        let mut mac =
            <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(b"sandlot port\0");
        mac.update(session.as_str().as_bytes());
        mac.update(&[0, instance.get()]);
        let tag: [u8; 32] = mac.finalize().into_bytes().into();
        PortToken::from_bits(u128::from_be_bytes(tag[..16].try_into().unwrap_or_default()))
    }
}

/// A secret that stands in a host name or a path. It prints as nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct PortToken(String);

impl fmt::Debug for PortToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PortToken(..)")
    }
}

impl PortToken {
    /// A new one, derived from nothing.
    ///
    /// # Errors
    /// When the kernel gives no random bytes.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self::from_bits(u128::from_be_bytes(bytes)))
    }

    fn from_bits(bits: u128) -> Self {
        // 26 characters hold 130 bits; the lowest two of the last one are zero.
        let character = |place: usize| {
            let shift = 123 - i64::try_from(place * 5).unwrap_or(0);
            let five = if shift >= 0 { bits >> shift } else { bits << -shift };
            char::from(ALPHABET[usize::try_from(five & 31).unwrap_or(0)])
        };
        Self((0..PORT_TOKEN_CHARS).map(character).collect())
    }

    /// The text, for the holder only.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What it is looked up by.
    pub fn hash(&self) -> TokenHash {
        hash(&self.0)
    }
}

/// The hash that a presented text is looked up by. Whatever the text is, the work is the same.
pub fn hash(presented: &str) -> TokenHash {
    let mut text = [0; PORT_TOKEN_CHARS];
    let fits = presented.len() == PORT_TOKEN_CHARS;
    for (place, byte) in text.iter_mut().zip(presented.bytes()) {
        *place = byte.to_ascii_lowercase();
    }
    // What does not fit is hashed as a text that no token is.
    text[0] = if fits { text[0] } else { b'!' };
    TokenHash(Sha256::digest(text).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> PortKey {
        PortKey::new([byte; 32])
    }

    #[test]
    fn a_token_depends_on_everything_and_on_nothing_else() {
        let id: SessionId = "ab12-abcdefghijklmnop".parse().unwrap();
        let other: SessionId = "ab12-abcdefghijklmnoq".parse().unwrap();
        let index = |place| InstanceIndex::try_from(place).unwrap();
        let token = key(1).token(&id, index(0));
        assert_eq!(token, key(1).token(&id, index(0)));
        for different in
            [key(2).token(&id, index(0)), key(1).token(&other, index(0)), key(1).token(&id, index(1))]
        {
            assert_ne!(token, different);
        }
        assert_eq!(token.expose().len(), PORT_TOKEN_CHARS);
        assert!(token.expose().bytes().all(|b| ALPHABET.contains(&b)));
        assert_eq!(format!("{token:?}"), "PortToken(..)");
    }

    #[test]
    fn all_bits_are_in_the_text() {
        let texts: std::collections::BTreeSet<_> =
            (0..128).map(|bit| PortToken::from_bits(1 << bit).0).collect();
        assert_eq!(texts.len(), 128);
    }

    #[test]
    fn only_the_whole_text_has_its_hash() {
        let token = PortToken::random().unwrap();
        assert_eq!(hash(&token.expose().to_ascii_uppercase()), token.hash());
        assert_ne!(hash(&token.expose()[1..]), token.hash());
        assert_ne!(hash(&format!("{}a", token.expose())), token.hash());
        assert_ne!(hash(""), hash(token.expose()));
    }
}
