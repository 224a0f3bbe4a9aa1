//! Room for one connection through a gate, and how HTTP connections are found and left there.

use std::sync::Arc;
use std::time::Instant;

use hyper::Request;
use hyper::client::conn::TrySendError;
use sandlot_runtime::supervisor::protocol::SocketFamily;

use super::upload::Upload;
use super::wire::{Idle, Wire};
use super::{ConnectError, Gate};
use crate::config::limits;

/// Room for one connection; dropping it makes room for another.
#[derive(Debug)]
pub struct Pass {
    gate: Arc<Gate>,
}

/// A request could not be sent or was not answered.
#[derive(Debug)]
pub enum SendError {
    /// There is no connection.
    Connect(ConnectError),
    /// The connection broke before an answer; where nothing was sent the request is here.
    Broken(hyper::Error, Option<Box<Request<Upload>>>),
}

impl Pass {
    pub(super) fn new(gate: Arc<Gate>) -> Self {
        Self { gate }
    }

    /// The gate that it leads through.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// An HTTP connection that waits for a request to this port, and since when.
    pub fn take_idle(&self, port: u16) -> Option<(Wire, Instant)> {
        loop {
            let Idle { wire, since, .. } = {
                let mut inner = self.gate.lock();
                let at = inner.idle.iter().rposition(|idle| idle.port == port)?;
                let idle = inner.idle.remove(at);
                inner.wires.push(idle.wire.clone());
                idle
            };
            if wire.is_usable() {
                return Some((wire, since));
            }
            self.drop_wire(&wire);
        }
    }

    /// A new HTTP connection to this port.
    ///
    /// # Errors
    /// When there is none.
    pub async fn open(&self, port: u16, families: [SocketFamily; 2]) -> Result<Wire, ConnectError> {
        let stream = self.gate.connect(port, families).await?;
        let wire = Wire::over(stream).await.map_err(|e| ConnectError::Io(std::io::Error::other(e)))?;
        let mut inner = self.gate.lock();
        if !inner.open {
            return Err(ConnectError::Shut);
        }
        inner.wires.push(wire.clone());
        Ok(wire)
    }

    /// Leaves a connection for the next request, if it can take one.
    pub fn leave(&self, port: u16, wire: Wire) {
        let keep = wire.is_usable();
        let mut inner = self.gate.lock();
        inner.forget(&wire);
        if keep && inner.open && inner.idle.len() < limits::PORT_IDLE_CONNECTIONS {
            inner.idle.push(Idle { port, since: Instant::now(), wire });
        }
    }

    /// A connection goes on as something else than HTTP, in the hands of its holder.
    pub fn forget(&self, wire: &Wire) {
        self.gate.lock().forget(wire);
    }

    /// A connection is of no more use.
    pub fn drop_wire(&self, wire: &Wire) {
        self.gate.lock().forget(wire);
        wire.cut();
    }
}

impl super::Inner {
    fn forget(&mut self, wire: &Wire) {
        if let Some(at) = self.wires.iter().position(|other| other.is(wire)) {
            self.wires.swap_remove(at);
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.gate.lock().passes -= 1;
    }
}

impl From<TrySendError<Request<Upload>>> for SendError {
    fn from(mut failed: TrySendError<Request<Upload>>) -> Self {
        let request = failed.take_message().map(Box::new);
        Self::Broken(failed.into_error(), request)
    }
}
