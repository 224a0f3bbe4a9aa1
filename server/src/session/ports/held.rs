//! The ports of a session's instances, which come and go.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sandlot_runtime::supervisor::name::{InstanceIndex, SessionNumber};
use tokio::sync::watch as channel;

use super::{InstancePorts, Setting, State};
use crate::auth::access::Secrets;
use crate::auth::port_token::PortKey;
use crate::id::SessionId;
use crate::instance::Backend;
use crate::instance::gate::Gate;

/// What they are made from.
#[derive(Debug)]
pub(crate) struct NewPorts {
    pub(crate) session: SessionId,
    pub(crate) number: SessionNumber,
    pub(crate) secrets: Secrets,
    /// Of a port of which the owner said nothing.
    pub(crate) default: Setting,
    /// Place, port, and what an earlier serve was told.
    pub(crate) settings: Vec<(u8, u16, Setting)>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct SessionPorts {
    new: NewPorts,
    /// Grows with each change that the owner sees.
    changed: Arc<channel::Sender<u64>>,
    all: Mutex<BTreeMap<InstanceIndex, Arc<InstancePorts>>>,
}

impl SessionPorts {
    /// None yet.
    pub(crate) fn new(new: NewPorts) -> Self {
        Self { new, changed: Arc::new(channel::Sender::new(0)), all: Mutex::default() }
    }

    /// Those of an instance, made now.
    pub(super) fn make(&self, index: InstanceIndex, key: &PortKey, backend: Backend) -> Arc<InstancePorts> {
        let new = &self.new;
        let own = new.settings.iter().filter(|(place, ..)| *place == index.get());
        let settings = own.map(|(_, port, setting)| (*port, *setting)).collect();
        let ports = Arc::new(InstancePorts {
            session: new.session.clone(),
            instance: index.into(),
            secrets: new.secrets,
            token: key.token(&new.session, index),
            gate: Gate::new(new.number, index, backend),
            default: new.default,
            version: AtomicU64::new(0),
            changed: Arc::clone(&self.changed),
            state: Mutex::new(State { settings, listening: Vec::new() }),
        });
        self.lock().insert(index, Arc::clone(&ports));
        self.tell();
        ports
    }

    /// Those of an instance that is removed.
    pub(super) fn take(&self, index: InstanceIndex) -> Option<Arc<InstancePorts>> {
        let taken = self.lock().remove(&index);
        self.tell();
        taken
    }

    /// Those of this instance.
    pub(crate) fn of(&self, index: InstanceIndex) -> Option<Arc<InstancePorts>> {
        self.lock().get(&index).cloned()
    }

    /// Those of every instance.
    pub(crate) fn all(&self) -> Vec<Arc<InstancePorts>> {
        self.lock().values().cloned().collect()
    }

    /// Tells changes.
    pub(crate) fn watch(&self) -> channel::Receiver<u64> {
        self.changed.subscribe()
    }

    fn tell(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<InstanceIndex, Arc<InstancePorts>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
