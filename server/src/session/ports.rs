//! The ports of instances: which listen, who may reach them, and the tokens that name them in URLs.
//!
//! ```text
//! token in a URL --hash--> InstancePorts --setting--> who may pass --gate--> the instance's own network
//! ```

pub mod access;
pub mod change;
pub(crate) mod held;
mod lookout;
pub mod raw;
pub mod watch;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use sandlot_runtime::supervisor::name::InstanceIndex;
use sandlot_runtime::supervisor::protocol::SocketFamily;
use tokio::sync::watch as channel;

use super::Sessions;
use super::live::Live;
use crate::auth::access::{Owner, Proof, Secrets};
use crate::auth::port_token::{self, PortToken};
use crate::auth::token::TokenHash;
use crate::error::{Error, Result};
use crate::id::{InstanceName, SessionId};
use crate::instance::gate::Gate;
use crate::instance::listening::Listening;

/// Who may reach a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Visibility {
    /// The session's owner.
    Private,
    /// Whoever has its link.
    #[default]
    Link,
    /// Nobody.
    Closed,
}

impl Visibility {
    /// As in rows and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Link => "link",
            Self::Closed => "closed",
        }
    }

    /// From a row or a request.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Private, Self::Link, Self::Closed].into_iter().find(|one| one.as_str() == text)
    }
}

/// What the owner wants of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Setting {
    /// Who may reach it.
    pub visibility: Visibility,
    /// Requests are told to be for `localhost:<port>`.
    pub rewrites_host: bool,
}

/// A port as its owner sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortView {
    /// Its number.
    pub port: u16,
    /// What the owner wants of it.
    pub setting: Setting,
}

/// The ports of one instance, from the start or adoption of its session to its end.
#[derive(Debug)]
pub struct InstancePorts {
    session: SessionId,
    instance: InstanceName,
    secrets: Secrets,
    token: PortToken,
    gate: Arc<Gate>,
    default: Setting,
    /// Counts changes of what the owner sees.
    version: AtomicU64,
    /// The session's own count, which event streams wait on.
    changed: Arc<channel::Sender<u64>>,
    state: Mutex<State>,
}

/// Changed under the lock only, never held over an await.
#[derive(Debug, Default)]
struct State {
    /// By the owner's requests, and from rows at adoption.
    settings: BTreeMap<u16, Setting>,
    /// By the watcher, in the order of the ports.
    listening: Vec<Listening>,
}

impl InstancePorts {
    /// The session that they belong to.
    pub fn session(&self) -> &SessionId {
        &self.session
    }

    /// The instance that they belong to.
    pub fn instance(&self) -> InstanceName {
        self.instance
    }

    /// What names them in URLs.
    pub fn token(&self) -> &PortToken {
        &self.token
    }

    /// The way in.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// Ports of nothing.
    #[cfg(test)]
    pub(crate) fn for_tests(secrets: Secrets) -> Arc<Self> {
        let (sender, _) = tokio::sync::mpsc::channel(1);
        let index = InstanceIndex::try_from(0).unwrap();
        let number = sandlot_runtime::supervisor::name::SessionNumber::try_from(1).unwrap();
        let session: SessionId = "ab12-abcdefghijklmnop".parse().unwrap();
        let backend = crate::instance::Backend::Local(crate::instance::local::Local::for_tests(sender));
        Arc::new(Self {
            token: port_token::PortKey::new([1; 32]).token(&session, index),
            session,
            instance: index.into(),
            secrets,
            gate: Gate::new(number, index, backend),
            default: Setting::default(),
            version: AtomicU64::new(0),
            changed: Arc::new(channel::Sender::new(0)),
            state: Mutex::default(),
        })
    }

    /// What the owner wants of a port.
    pub fn setting(&self, port: u16) -> Setting {
        self.lock().settings.get(&port).copied().unwrap_or(self.default)
    }

    /// In which order the addresses of a port are tried: what it is known to listen on first.
    pub fn families(&self, port: u16) -> [SocketFamily; 2] {
        let state = self.lock();
        let known = state.listening.iter().find(|listening| listening.port == port);
        match known {
            Some(listening) if !listening.v4 => [SocketFamily::V6, SocketFamily::V4],
            _ => [SocketFamily::V4, SocketFamily::V6],
        }
    }

    /// The ports that listen.
    pub fn views(&self) -> Vec<PortView> {
        let state = self.lock();
        let setting = |port| state.settings.get(&port).copied().unwrap_or(self.default);
        state.listening.iter().map(|one| PortView { port: one.port, setting: setting(one.port) }).collect()
    }

    /// Grows with every change of what [`InstancePorts::views`] gives.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The proof that a cookie of the session is for its owner.
    pub fn prove(&self, proof: Proof) -> Option<Owner> {
        Owner::prove(self.session.clone(), Some(&self.secrets), &[proof])
    }

    /// Whether these listen from now on; what is unchanged is told to nobody.
    pub(crate) fn set_listening(&self, listening: Vec<Listening>) {
        let mut state = self.lock();
        if state.listening != listening {
            state.listening = listening;
            drop(state);
            self.tell();
        }
    }

    fn set(&self, port: u16, setting: Setting) {
        self.lock().settings.insert(port, setting);
        self.tell();
    }

    fn tell(&self) {
        self.version.fetch_add(1, Ordering::AcqRel);
        self.changed.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sessions {
    /// What a port of this playground is until its owner says otherwise.
    pub(crate) fn default_setting(&self, playground: &str) -> Setting {
        let name = playground.parse().ok();
        let playground = name.and_then(|name| self.parts().config.playgrounds.get(&name));
        let rewrites_host = playground.is_some_and(|playground| playground.rewrite_host);
        Setting { visibility: Visibility::Link, rewrites_host }
    }

    /// Origin by which the page of a session was last opened.
    pub fn site_of(&self, session: &SessionId) -> Option<String> {
        self.live_session(session)?.site()
    }

    /// The page of the owner's session was opened by this origin.
    pub fn note_site(&self, owner: &Owner, origin: String) {
        if let Some(live) = self.live_session(owner.session()) {
            live.set_site(origin);
        }
    }

    /// The ports that a text in a URL names; whatever the text is, the work is the same.
    pub fn ports_by_token(&self, presented: &str) -> Option<Arc<InstancePorts>> {
        self.ports_by_hash(&port_token::hash(presented))
    }

    /// As [`Sessions::ports_by_token`], of a text that was hashed already.
    pub fn ports_by_hash(&self, hash: &TokenHash) -> Option<Arc<InstancePorts>> {
        self.shared.ports.find(hash)
    }

    /// The ports of one instance of the owner's session.
    ///
    /// # Errors
    /// When the session has ended or has no such instance.
    pub fn ports_of(&self, owner: &Owner, instance: InstanceName) -> Result<Arc<InstancePorts>> {
        let live = self.running(owner)?;
        live.ports().of(instance.index()).ok_or_else(|| Error::not_found("instance"))
    }

    /// Serve ends: nothing of any instance's network is held any more.
    pub fn shut_all_gates(&self) {
        self.shared.ports.all().iter().for_each(|ports| ports.gate.shut());
    }

    /// The ports of a session's instances are reached from now on.
    pub(crate) fn open_ports(&self, live: &Live) {
        let indexes: Vec<InstanceIndex> = live.parts().instances.keys().copied().collect();
        indexes.into_iter().for_each(|index| self.add_ports(live, index));
    }

    /// Those of one more instance are.
    pub(crate) fn add_ports(&self, live: &Live, index: InstanceIndex) {
        let ports = live.ports().make(index, &self.parts().port_key, self.parts().backend.clone());
        self.shared.ports.add(&[ports]);
    }

    /// They are no more, and nothing of the session's networks is held.
    pub(crate) fn shut_ports(&self, live: &Live) {
        let indexes: Vec<InstanceIndex> = live.ports().all().iter().map(|one| one.instance.index()).collect();
        indexes.into_iter().for_each(|index| self.remove_ports(live, index));
    }

    /// Those of one instance are no more.
    pub(crate) fn remove_ports(&self, live: &Live, index: InstanceIndex) {
        let Some(ports) = live.ports().take(index) else { return };
        ports.gate.shut();
        ports.set_listening(Vec::new());
        self.shared.ports.remove(&[ports]);
    }
}

/// Ports by the hash of their token. Read with each request, written with each start and end.
#[derive(Debug, Default)]
pub(crate) struct ByToken {
    all: RwLock<HashMap<TokenHash, Arc<InstancePorts>>>,
    /// Counts the changes of it.
    generation: AtomicU64,
}

impl ByToken {
    fn find(&self, hash: &TokenHash) -> Option<Arc<InstancePorts>> {
        self.all.read().unwrap_or_else(PoisonError::into_inner).get(hash).cloned()
    }

    fn add(&self, ports: &[Arc<InstancePorts>]) {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.extend(ports.iter().map(|one| (one.token.hash(), Arc::clone(one))));
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    fn remove(&self, ports: &[Arc<InstancePorts>]) {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        for one in ports {
            all.remove(&one.token.hash());
        }
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Grows with each session that comes or goes.
    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// All of them.
    fn all(&self) -> Vec<Arc<InstancePorts>> {
        self.all.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}
