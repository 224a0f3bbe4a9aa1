//! Sessions: what a URL names. Start, use, extension, end, and agreement with what really runs.
//!
//! A session that has not ended is held in memory as a [`live::Live`]; its row says what was promised. Nothing here knows
//! HTTP or SQL.

pub mod adopt;
pub mod end;
pub mod events;
pub mod exec;
pub mod expiry;
pub mod instances;
pub mod live;
mod names;
pub mod number;
pub mod ports;
pub mod rate;
pub mod reconcile;
mod room;
pub mod start;
pub mod terminal;
pub mod view;

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sandlot_runtime::supervisor::name::SessionNumber;
use tokio::sync::Notify;

use self::live::Live;
use self::number::Numbers;
use self::ports::ByToken;
use self::ports::access::PortAccess;
use self::rate::StartRate;
use crate::auth::access::{Owner, Proof, Secrets};
use crate::auth::port_token::PortKey;
use crate::auth::ticket::Tickets;
use crate::auth::token::{Token, TokenHash};
use crate::config::Config;
use crate::db::{Database, DbError};
use crate::dns::Upstream;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{NodeId, SessionId};
use crate::instance::Backend;
use crate::instance::images::Images;
use crate::metrics::Metrics;
use crate::shutdown::Shutdown;

/// All sessions of the node; clones share them.
#[derive(Debug, Clone)]
pub struct Sessions {
    shared: Arc<Shared>,
}

/// What sessions are built on.
#[derive(Debug)]
pub struct Parts {
    /// The configuration.
    pub config: Arc<Config>,
    /// This node.
    pub node: NodeId,
    /// The rows.
    pub db: Database,
    /// What runs the instances.
    pub backend: Backend,
    /// Whom names beyond a session are asked of; `None` where no playground leads out.
    pub upstream: Option<Arc<Upstream>>,
    /// The images.
    pub images: Arc<Images>,
    /// What tokens of ports are derived from.
    pub port_key: PortKey,
    /// The numbers.
    pub metrics: Arc<Metrics>,
    /// The life of serve.
    pub shutdown: Shutdown,
}

#[derive(Debug)]
struct Shared {
    parts: Parts,
    tickets: Tickets,
    /// Changed by start, adoption and end.
    ports: ByToken,
    port_access: PortAccess,
    rate: StartRate,
    /// Changed by start, adoption and end.
    live: Mutex<LiveSessions>,
    /// Wakes the expiry task: a time was added or moved.
    expiry_changed: Notify,
    /// Held while rows and backend are compared.
    reconciling: tokio::sync::Mutex<()>,
    /// An event came for something that is not known yet: compare again.
    missed: AtomicBool,
    /// The backend's connection on which rows and backend were last found to agree.
    agreed: tokio::sync::watch::Sender<Option<u64>>,
}

#[derive(Debug, Default)]
struct LiveSessions {
    by_id: HashMap<SessionId, Arc<Live>>,
    by_number: HashMap<SessionNumber, Arc<Live>>,
    /// Numbers in use, those of starts that are under way included.
    numbers: Numbers,
}

impl Sessions {
    /// No sessions yet; [`Sessions::reconcile`] adopts what runs.
    pub fn new(parts: Parts) -> Self {
        let shared = Shared {
            parts,
            tickets: Tickets::default(),
            ports: ByToken::default(),
            port_access: PortAccess::default(),
            rate: StartRate::default(),
            live: Mutex::default(),
            expiry_changed: Notify::new(),
            reconciling: tokio::sync::Mutex::default(),
            missed: AtomicBool::new(false),
            agreed: tokio::sync::watch::Sender::new(None),
        };
        Self { shared: Arc::new(shared) }
    }

    /// What they are built on.
    pub fn parts(&self) -> &Parts {
        &self.shared.parts
    }

    /// Tickets for their terminals.
    pub fn tickets(&self) -> &Tickets {
        &self.shared.tickets
    }

    /// The owner of session `id`, if one of the proofs is for it. Who is refused is so after the same work, whether there
    /// is such a session, was one, or never.
    ///
    /// # Errors
    /// As not found in every other case.
    pub async fn prove(&self, id: SessionId, proofs: &[Proof]) -> Result<Owner> {
        let live = self.live_session(&id).map(|live| *live.secrets());
        if let Some(owner) = Owner::prove(id.clone(), live.as_ref(), proofs) {
            return Ok(owner);
        }
        let row = self.parts().db.session(id.as_str()).await?.and_then(|row| row.secrets());
        Owner::prove(id, row.as_ref(), proofs).ok_or_else(|| {
            self.parts().metrics.refused.add(1);
            Error::not_found("session")
        })
    }

    /// The session whose URL holds this token, with the proof that follows from it.
    ///
    /// # Errors
    /// As not found when there is none.
    pub async fn prove_by_url(&self, token: &Token) -> Result<Owner> {
        let row = self.parts().db.session_by_url_token(&token.hash().0).await?;
        let found = row.and_then(|row| Some((row.id.parse().ok()?, row.secrets()?)));
        let (id, secrets) = found.ok_or_else(|| Error::not_found("session"))?;
        let owner = Owner::prove(id, Some(&secrets), &[Proof::Cookie(token.clone())]);
        owner.ok_or_else(|| Error::not_found("session"))
    }

    /// The session in memory, while it has not ended.
    pub(crate) fn live_session(&self, id: &SessionId) -> Option<Arc<Live>> {
        self.lock().by_id.get(id).cloned()
    }

    /// The session of an owner, in use.
    ///
    /// # Errors
    /// When it is ending or has ended.
    pub(crate) fn running(&self, owner: &Owner) -> Result<Arc<Live>> {
        let live = self.live_session(owner.session()).filter(|live| live.ending().is_none());
        live.ok_or_else(|| Error::new(ErrorKind::Ended, "This session has ended."))
    }

    pub(crate) fn live_by_number(&self, number: SessionNumber) -> Option<Arc<Live>> {
        self.lock().by_number.get(&number).cloned()
    }

    pub(crate) fn all_live(&self) -> Vec<Arc<Live>> {
        self.lock().by_id.values().cloned().collect()
    }

    fn add_live(&self, live: &Arc<Live>) {
        let mut all = self.lock();
        all.numbers.take_this(live.number());
        all.by_id.insert(live.id().clone(), Arc::clone(live));
        all.by_number.insert(live.number(), Arc::clone(live));
        self.parts().metrics.sessions.add(1);
        drop(all);
        self.open_ports(live);
        self.shared.expiry_changed.notify_one();
    }

    fn remove_live(&self, live: &Live) {
        let mut all = self.lock();
        if all.by_id.remove(live.id()).is_some() {
            all.by_number.remove(&live.number());
            all.numbers.give_back(live.number());
            self.parts().metrics.sessions.sub(1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, LiveSessions> {
        self.shared.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl crate::db::session::SessionRow {
    /// The hashes of its secrets.
    pub(crate) fn secrets(&self) -> Option<Secrets> {
        let url = TokenHash::from_row(&self.url_token_hash)?;
        Some(Secrets { url, api: TokenHash::from_row(&self.api_token_hash)? })
    }
}

impl From<DbError> for Error {
    fn from(error: DbError) -> Self {
        let (kind, sentence) = match &error {
            DbError::NodeFull => {
                (ErrorKind::Full, "This node is full. Try again later, when other sessions have ended.")
            }
            DbError::ClientFull => (
                ErrorKind::TooMany,
                "You have as many sessions as one address may have. Close one, or wait until one ends.",
            ),
            DbError::DiskFull => (
                ErrorKind::DiskFull,
                "The node's disk is full. Try again later; the operator has to make room.",
            ),
            DbError::NumberTaken => (ErrorKind::Conflict, "The node is busy. Try again."),
            DbError::Query(_) | DbError::Migrate(_) => return Self::internal(error),
        };
        Self::new(kind, sentence).with_cause(error).retry_after(std::time::Duration::from_secs(60))
    }
}
