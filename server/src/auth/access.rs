//! Proof that a request comes from the owner of a session. Functions that act on a session take it as an argument.

use crate::auth::token::{Token, TokenHash};
use crate::id::SessionId;

/// What a request presents.
#[derive(Debug, Clone)]
pub enum Proof {
    /// `Authorization: Bearer` with the API token.
    Bearer(Token),
    /// The cookie that the session's page set, with the URL's token. Browsers add it by themselves, so a request that
    /// changes something must come from a page of ours, too.
    Cookie(Token),
}

/// What is stored of a session's secrets.
#[derive(Debug, Clone, Copy)]
pub struct Secrets {
    /// Of the token in its URL.
    pub url: TokenHash,
    /// Of the token for its API.
    pub api: TokenHash,
}

impl Secrets {
    const NOBODYS: Self = Self { url: TokenHash([0; 32]), api: TokenHash([0; 32]) };
}

/// The holder of a session's secret. Made by [`Owner::prove`] only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    session: SessionId,
}

impl Owner {
    /// The owner of `session`, if one of the proofs is for its secrets. Where there are none, the same is done with what is
    /// the hash of nothing.
    pub fn prove(session: SessionId, secrets: Option<&Secrets>, proofs: &[Proof]) -> Option<Self> {
        let known = secrets.is_some();
        let secrets = secrets.unwrap_or(&Secrets::NOBODYS);
        let proven = proofs.iter().any(|proof| match proof {
            Proof::Bearer(token) => secrets.api.matches(token),
            Proof::Cookie(token) => secrets.url.matches(token),
        });
        (proven && known).then_some(Self { session })
    }

    /// The session that is owned.
    pub fn session(&self) -> &SessionId {
        &self.session
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_secret_opens_its_own_door_only() {
        let (url, api) = (Token::random().unwrap(), Token::random().unwrap());
        let secrets = Secrets { url: url.hash(), api: api.hash() };
        let id: SessionId = "ab12-abcdefghijklmnop".parse().unwrap();
        let proven = |proof| Owner::prove(id.clone(), Some(&secrets), &[proof]).is_some();
        assert!(proven(Proof::Bearer(api.clone())) && proven(Proof::Cookie(url.clone())));
        assert!(!proven(Proof::Bearer(url.clone())) && !proven(Proof::Cookie(api)));
        assert!(Owner::prove(id.clone(), None, &[Proof::Cookie(url)]).is_none());
    }
}
