//! Changes of a session's ports, for whoever shows them: always the newest state, so a slow reader costs nothing.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, watch};

use super::{InstancePorts, Sessions};
use crate::auth::access::Owner;
use crate::error::{Error, ErrorKind, Result};
use crate::session::live::{Live, Notice};

/// The changes, one instance at a time; the first are what is there.
#[derive(Debug)]
pub struct PortEvents {
    live: Arc<Live>,
    /// What was told last of each, by its version.
    told: Vec<(Arc<InstancePorts>, Option<u64>)>,
    changed: watch::Receiver<u64>,
    notice: watch::Receiver<Notice>,
    _room: OwnedSemaphorePermit,
}

impl Sessions {
    /// What changes of the ports of the owner's session.
    ///
    /// # Errors
    /// When it has ended, or has too many readers.
    pub fn port_events(&self, owner: &Owner) -> Result<PortEvents> {
        let live = self.running(owner)?;
        let room = Arc::clone(live.event_streams()).try_acquire_owned().map_err(|_| {
            Error::new(ErrorKind::Full, "This session has as many streams of events as it may.")
        })?;
        let (changed, notice) = (live.ports().watch(), live.watch());
        Ok(PortEvents { live, told: Vec::new(), changed, notice, _room: room })
    }
}

impl PortEvents {
    /// The next instance whose ports are not what was told last; `None` at the end of the session.
    pub async fn next(&mut self) -> Option<Arc<InstancePorts>> {
        loop {
            self.changed.mark_unchanged();
            if let Some(ports) = self.take_changed() {
                return Some(ports);
            }
            tokio::select! {
                changed = self.changed.changed() => changed.ok()?,
                _ = self.notice.wait_for(|notice| notice.ending.is_some()) => return None,
            }
        }
    }

    /// An instance that was removed is told once more, with no ports.
    fn take_changed(&mut self) -> Option<Arc<InstancePorts>> {
        for ports in self.live.ports().all() {
            if !self.told.iter().any(|(known, _)| Arc::ptr_eq(known, &ports)) {
                self.told.push((ports, None));
            }
        }
        for (ports, told) in &mut self.told {
            let version = ports.version();
            if told.replace(version) != Some(version) {
                return Some(Arc::clone(ports));
            }
        }
        let live = &self.live;
        self.told.retain(|(known, _)| {
            live.ports().of(known.instance().index()).is_some_and(|held| Arc::ptr_eq(&held, known))
        });
        None
    }
}
