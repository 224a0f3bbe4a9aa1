//! One-time tickets for websockets: a browser cannot send a header with an upgrade, and a URL may end up in a log.
//!
//! They live in memory: after a restart of serve the page asks for a new one with its lasting proof.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::auth::token::{Token, TokenHash};
use crate::config::limits;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{SessionId, TerminalId};

/// What a ticket opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// The session that its maker proved.
    pub session: SessionId,
    /// The terminal.
    pub terminal: TerminalId,
}

/// Tickets that wait for their use, each for one `T`.
#[derive(Debug)]
pub struct Tickets<T = Admission> {
    waiting: Mutex<HashMap<TokenHash, (T, Instant)>>,
    life: Duration,
    most: usize,
}

impl Default for Tickets {
    fn default() -> Self {
        Self::new(limits::TICKET_LIFE, limits::TICKETS)
    }
}

impl<T> Tickets<T> {
    /// None yet; each lives so long, and so many may wait.
    pub fn new(life: Duration, most: usize) -> Self {
        Self { waiting: Mutex::default(), life, most }
    }

    /// A new ticket for `admission`.
    ///
    /// # Errors
    /// When too many wait, or the kernel gives no random bytes.
    pub fn issue(&self, admission: T) -> Result<Token> {
        let token = Token::random().map_err(Error::internal)?;
        let now = Instant::now();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= self.most {
            waiting.retain(|_, (_, until)| *until > now);
        }
        if waiting.len() >= self.most {
            let full = Error::new(
                ErrorKind::TooMany,
                "Too many connections are being opened. Try again in a moment.",
            );
            return Err(full.retry_after(self.life));
        }
        waiting.insert(token.hash(), (admission, now + self.life));
        Ok(token)
    }

    /// What the ticket opens, once and in time. It is looked up by its hash, so the time taken says nothing about it.
    pub fn redeem(&self, ticket: &str) -> Option<T> {
        let token = Token::presented(ticket)?;
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let (admission, until) = waiting.remove(&token.hash())?;
        (until > Instant::now()).then_some(admission)
    }

    /// Drops what nobody came for.
    pub fn sweep(&self) {
        let now = Instant::now();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, (_, until)| *until > now);
        if waiting.capacity() > 4 * (waiting.len() + 64) {
            waiting.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission() -> Admission {
        Admission { session: "ab12-abcdefghijklmnop".parse().unwrap(), terminal: "t1".parse().unwrap() }
    }

    #[test]
    fn a_ticket_works_once() {
        let tickets = Tickets::default();
        let ticket = tickets.issue(admission()).unwrap();
        assert_eq!(tickets.redeem(ticket.expose()), Some(admission()));
        assert_eq!(tickets.redeem(ticket.expose()), None);
        assert_eq!(tickets.redeem("nonsense"), None);
    }

    #[test]
    fn a_late_ticket_opens_nothing_and_a_full_table_refuses() {
        let tickets = Tickets { life: Duration::ZERO, ..Tickets::default() };
        let late = tickets.issue(admission()).unwrap();
        assert_eq!(tickets.redeem(late.expose()), None);
        let full = Tickets { most: 1, ..Tickets::default() };
        full.issue(admission()).unwrap();
        assert_eq!(full.issue(admission()).unwrap_err().kind(), ErrorKind::TooMany);
    }
}
