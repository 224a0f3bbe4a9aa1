//! Access to private ports. Their pages are another origin than the site, so the proof of a session's owner does not
//! reach them; a grant of its own stands in for it, for one port and some time.
//!
//! ```text
//! port's host --ask--> /port-access (the session's cookie) --ticket--> port's host: grant as a cookie of that host
//! /port/<token>/<port>/ (the session's cookie) --> /port/<grant>/<port>/ : grant in the token's place
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use super::{InstancePorts, Sessions};
use crate::auth::port_token::{self, PortToken};
use crate::auth::ticket::Tickets;
use crate::auth::token::{Token, TokenHash};
use crate::config::limits;
use crate::error::{Error, ErrorKind, Result};

/// Where a visitor of a private port wants to go.
#[derive(Debug, Clone)]
pub struct Errand {
    /// The instance.
    pub ports: Arc<InstancePorts>,
    /// The port.
    pub port: u16,
    /// Origin of the port's host.
    pub origin: String,
    /// Path and query there.
    pub path: String,
}

/// What is known of visitors of private ports; lives in memory, so after a restart of serve the owner passes again by
/// the session's cookie.
#[derive(Debug)]
pub(crate) struct PortAccess {
    asks: Tickets<Errand>,
    tickets: Tickets<Errand>,
    grants: Mutex<HashMap<TokenHash, Grant>>,
}

#[derive(Debug)]
struct Grant {
    ports: Weak<InstancePorts>,
    port: u16,
    /// Moved by each use.
    until: Instant,
}

impl Default for PortAccess {
    fn default() -> Self {
        Self {
            asks: Tickets::new(limits::PORT_ASK_LIFE, limits::TICKETS),
            tickets: Tickets::new(limits::TICKET_LIFE, limits::TICKETS),
            grants: Mutex::default(),
        }
    }
}

impl PortAccess {
    /// Takes back every grant for a port.
    pub(super) fn forget(&self, ports: &Arc<InstancePorts>, port: u16) {
        self.grants().retain(|_, grant| !(grant.port == port && grant.is_for(ports)));
    }

    pub(crate) fn sweep(&self) {
        self.asks.sweep();
        self.tickets.sweep();
        let now = Instant::now();
        self.grants().retain(|_, grant| grant.until > now && grant.ports.strong_count() > 0);
    }

    fn grants(&self) -> MutexGuard<'_, HashMap<TokenHash, Grant>> {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Grant {
    fn is_for(&self, ports: &Arc<InstancePorts>) -> bool {
        std::ptr::eq(self.ports.as_ptr(), Arc::as_ptr(ports))
    }
}

impl Sessions {
    /// What stands for an errand in the address of the site's `/port-access`.
    ///
    /// # Errors
    /// When too many wait.
    pub fn ask(&self, errand: Errand) -> Result<Token> {
        self.shared.port_access.asks.issue(errand)
    }

    /// The errand, once.
    pub fn errand(&self, ask: &str) -> Option<Errand> {
        self.shared.port_access.asks.redeem(ask)
    }

    /// What the owner brings back to the port's host.
    ///
    /// # Errors
    /// When too many wait.
    pub fn port_ticket(&self, errand: Errand) -> Result<Token> {
        self.shared.port_access.tickets.issue(errand)
    }

    /// The errand of a ticket, once.
    pub fn redeem_port_ticket(&self, ticket: &str) -> Option<Errand> {
        self.shared.port_access.tickets.redeem(ticket)
    }

    /// A grant for one port of the instance, for its proven owner.
    ///
    /// # Errors
    /// When there are too many, or the kernel gives no random bytes.
    pub fn grant(&self, ports: &Arc<InstancePorts>, port: u16) -> Result<PortToken> {
        let token = PortToken::random().map_err(Error::internal)?;
        let mut grants = self.shared.port_access.grants();
        if grants.len() >= limits::PORT_GRANTS {
            let sentence = "Too many private ports are open. Try again later.";
            return Err(Error::new(ErrorKind::TooMany, sentence).retry_after(limits::PORT_ASK_LIFE));
        }
        let grant =
            Grant { ports: Arc::downgrade(ports), port, until: Instant::now() + limits::PORT_GRANT_LIFE };
        grants.insert(token.hash(), grant);
        Ok(token)
    }

    /// The instance whose port this grant opens.
    pub fn granted(&self, presented: &str, port: u16) -> Option<Arc<InstancePorts>> {
        self.granted_by_hash(&port_token::hash(presented), port)
    }

    /// As [`Sessions::granted`], of a text that was hashed already.
    pub fn granted_by_hash(&self, hash: &TokenHash, port: u16) -> Option<Arc<InstancePorts>> {
        let now = Instant::now();
        let mut grants = self.shared.port_access.grants();
        let grant = grants.get_mut(hash)?;
        if grant.port != port || grant.until <= now {
            return None;
        }
        grant.until = now + limits::PORT_GRANT_LIFE;
        let ports = grant.ports.upgrade()?;
        drop(grants);
        // The session may be ending.
        self.ports_by_hash(&ports.token().hash()).filter(|live| Arc::ptr_eq(live, &ports))
    }
}
