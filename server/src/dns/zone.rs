//! What instances are called, and where they are.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sandlot_runtime::net::plan;
use sandlot_runtime::supervisor::name::{Hostname, InstanceIndex};

use crate::id::InstanceName;

/// The instances of one session by their host names. Changed when one is added or removed.
#[derive(Debug, Default)]
pub struct Zone {
    hosts: Mutex<BTreeMap<InstanceIndex, Hostname>>,
}

impl Zone {
    /// An instance is there under this name, and under its number.
    pub fn add(&self, index: InstanceIndex, hostname: Hostname) {
        self.lock().insert(index, hostname);
    }

    /// It is there no more.
    pub fn remove(&self, index: InstanceIndex) {
        self.lock().remove(&index);
    }

    /// The instance of this name, which is in lower case.
    pub(super) fn find(&self, name: &str) -> Option<InstanceIndex> {
        let hosts = self.lock();
        let named = hosts.iter().find(|(_, hostname)| hostname.as_str() == name).map(|(index, _)| *index);
        named.or_else(|| hosts.keys().copied().find(|index| InstanceName::from(*index).hostname() == name))
    }

    /// The name of who has this address.
    pub(super) fn name_of(&self, address: IpAddr) -> Option<Hostname> {
        let hosts = self.lock();
        let found = hosts.iter().find(|(index, _)| plan::of(**index).both().contains(&address));
        found.map(|(_, hostname)| hostname.clone())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<InstanceIndex, Hostname>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
