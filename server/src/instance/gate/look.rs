//! A look at which ports listen behind a gate, only where the instance used cpu time since the last one: a program that
//! does nothing opens no port.

use std::sync::PoisonError;

use nix::errno::Errno;

use super::Gate;
use crate::instance::listening::Listening;
use crate::instance::{InstanceWatch, cpu_time, sock_diag};

/// What a look came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// The instance does not run.
    Shut,
    /// It runs, and nobody has asked the backend for what is looked at.
    Unwatched,
    /// Nothing has happened.
    Quiet,
    /// These ports listen.
    Found(Vec<Listening>),
    /// What was looked at is of no more use.
    Broken(Errno),
}

/// What is looked at.
#[derive(Debug)]
pub(super) struct Watch {
    parts: InstanceWatch,
    /// Cpu time at the last look.
    seen: Option<u64>,
}

impl Gate {
    /// Counts the networks that the instance has had; what was asked for in one is of no use in the next.
    pub fn epoch(&self) -> u64 {
        self.lock().epoch
    }

    /// Takes what the backend gave to look at, unless the network that it is of is gone.
    pub fn set_watch(&self, epoch: u64, parts: InstanceWatch) {
        let inner = self.lock();
        if inner.open && inner.epoch == epoch {
            *self.watch.lock().unwrap_or_else(PoisonError::into_inner) = Some(Watch { parts, seen: None });
        }
    }

    /// Looks.
    pub fn look(&self, buffer: &mut [u8]) -> Look {
        if !self.lock().open {
            return Look::Shut;
        }
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let look = watch.as_mut().map_or(Look::Unwatched, |watch| watch.look(buffer));
        if matches!(look, Look::Broken(_)) {
            *watch = None;
        }
        look
    }
}

impl Watch {
    fn look(&mut self, buffer: &mut [u8]) -> Look {
        // Read before the ports: what is used meanwhile is a reason for the next look.
        let used = match cpu_time::read(&self.parts.cpu_time) {
            Ok(used) => used,
            Err(errno) => return Look::Broken(errno),
        };
        if self.seen.replace(used) == Some(used) {
            return Look::Quiet;
        }
        sock_diag::listening(&self.parts.sockets, buffer).map_or_else(Look::Broken, Look::Found)
    }
}
