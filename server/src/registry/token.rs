//! Proofs that registries gave us for a while (distribution spec, "token authentication"), by who is asked and for what.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::HeaderValue;
use serde::Deserialize;

/// Most proofs that are kept: one for each repository in use.
const MAX_TOKENS: usize = 256;
/// How long a token holds that does not say so.
const DEFAULT_LIFE: Duration = Duration::from_secs(60);
/// Nobody keeps one longer.
const LONGEST_LIFE: Duration = Duration::from_secs(3600);

/// The value of an `Authorization` header, and when it ends.
#[derive(Debug, Clone)]
pub(super) struct Proof {
    header: HeaderValue,
    until: Instant,
}

/// What a token server answers.
#[derive(Deserialize)]
pub(super) struct Grant {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
    #[serde(default)]
    expires_in: Option<u64>,
}

impl Proof {
    /// From a whole header value; `None` if it cannot stand in a header.
    pub(super) fn new(value: &str, life: Duration) -> Option<Self> {
        let mut header = HeaderValue::from_str(value).ok()?;
        header.set_sensitive(true);
        Some(Self { header, until: Instant::now() + life.min(LONGEST_LIFE) })
    }

    /// The header's value.
    pub(super) fn header(&self) -> &HeaderValue {
        &self.header
    }
}

impl Grant {
    /// The token as a proof; used for nine tenths of its life, since clocks and requests take their time.
    pub(super) fn proof(&self) -> Option<Proof> {
        let token = if self.token.is_empty() { &self.access_token } else { &self.token };
        let life = self.expires_in.map_or(DEFAULT_LIFE, Duration::from_secs).min(LONGEST_LIFE);
        (!token.is_empty()).then(|| Proof::new(&format!("Bearer {token}"), life / 10 * 9)).flatten()
    }
}

/// All proofs of one asker.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<HashMap<(String, String), Proof>>);

impl Tokens {
    /// A proof for this host and scope that still holds.
    pub(super) fn get(&self, host: &str, scope: &str) -> Option<Proof> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let proof = held.get(&(host.to_owned(), scope.to_owned()));
        proof.filter(|proof| proof.until > Instant::now()).cloned()
    }

    /// Keeps a proof.
    pub(super) fn put(&self, host: &str, scope: &str, proof: Proof) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        held.retain(|_, proof| proof.until > now);
        if held.len() >= MAX_TOKENS {
            held.clear();
        }
        held.insert((host.to_owned(), scope.to_owned()), proof);
    }

    /// Drops a proof that was refused.
    pub(super) fn forget(&self, host: &str, scope: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(host.to_owned(), scope.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(text: &str) -> Option<Proof> {
        serde_json::from_str::<Grant>(text).unwrap().proof()
    }

    #[test]
    fn a_grant_is_read_by_both_names_and_never_shown() {
        for text in [r#"{"token":"hush"}"#, r#"{"access_token":"hush","expires_in":9}"#] {
            let proof = grant(text).unwrap();
            assert_eq!(proof.header().to_str().unwrap(), "Bearer hush");
            assert!(!format!("{proof:?}").contains("hush"));
        }
        assert!(grant("{}").is_none() && grant(r#"{"token":"a\nb"}"#).is_none());
        assert!(grant(r#"{"token":"x","expires_in":18446744073709551615}"#).is_some());
    }

    #[test]
    fn what_has_ended_is_not_used_and_the_number_is_bounded() {
        let tokens = Tokens::default();
        tokens.put("a", "s", Proof::new("x", Duration::ZERO).unwrap());
        assert!(tokens.get("a", "s").is_none());
        for n in 0..MAX_TOKENS + 5 {
            tokens.put("a", &n.to_string(), Proof::new("x", Duration::from_secs(9)).unwrap());
        }
        assert!(tokens.0.lock().unwrap().len() <= MAX_TOKENS);
        let last = (MAX_TOKENS + 4).to_string();
        assert!(tokens.get("a", &last).is_some());
        tokens.forget("a", &last);
        assert!(tokens.get("a", &last).is_none());
    }
}
