//! Room for one connection through a gate, and how HTTP connections are found and left there.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use sandlot_runtime::supervisor::protocol::SocketFamily;
use tokio::net::TcpStream;
use tokio::runtime::{self, Handle};

use super::wire::{Idle, Wire};
use super::{ConnectError, Gate};
use crate::config::limits;

/// Room for one connection to a port, and the connection. Dropping it closes the connection, whatever is on the way,
/// and makes room for another.
#[derive(Debug)]
pub struct Pass {
    gate: Arc<Gate>,
    port: u16,
    /// The gate has it, too, to cut it.
    wire: Option<Wire>,
    /// Where it is used.
    runtime: runtime::Id,
}

impl Pass {
    pub(super) fn new(gate: Arc<Gate>, port: u16) -> Self {
        Self { gate, port, wire: None, runtime: Handle::current().id() }
    }

    /// The gate that it leads through.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// Its HTTP connection.
    pub fn wire(&self) -> Option<&Wire> {
        self.wire.as_ref()
    }

    /// Takes an HTTP connection that waits for a request.
    pub fn take_idle(&mut self) -> Option<&Wire> {
        loop {
            self.close();
            {
                let mut inner = self.gate.lock();
                let at = inner
                    .idle
                    .iter()
                    .rposition(|idle| (idle.port, idle.runtime) == (self.port, self.runtime))?;
                let wire = inner.idle.remove(at).wire;
                inner.wires.push(wire.clone());
                self.wire = Some(wire);
            }
            if self.wire.as_ref().is_some_and(Wire::is_usable) {
                return self.wire.as_ref();
            }
        }
    }

    /// Opens a new HTTP connection.
    ///
    /// # Errors
    /// When there is none.
    pub async fn open(&mut self, families: [SocketFamily; 2]) -> Result<&Wire, ConnectError> {
        self.close();
        let stream = self.gate.connect(self.port, families).await?;
        let wire = Wire::over(stream);
        let mut inner = self.gate.lock();
        if !inner.open {
            return Err(ConnectError::Shut);
        }
        inner.wires.push(wire.clone());
        drop(inner);
        Ok(self.wire.insert(wire))
    }

    /// Leaves the connection for the next request, if it can take one.
    pub fn leave(mut self) {
        let Some(wire) = self.wire.take() else { return };
        let keep = wire.is_usable();
        let mut inner = self.gate.lock();
        inner.forget(&wire);
        if keep && inner.open && inner.idle.len() < limits::PORT_IDLE_CONNECTIONS {
            inner.idle.push(Idle { port: self.port, runtime: self.runtime, since: Instant::now(), wire });
        }
    }

    /// The connection goes on as something else than HTTP, in the caller's hands; with what was read of it already.
    pub fn take_stream(&mut self) -> Option<(TcpStream, Bytes)> {
        let wire = self.wire.take()?;
        self.gate.lock().forget(&wire);
        wire.into_stream()
    }

    fn close(&mut self) {
        if let Some(wire) = self.wire.take() {
            self.gate.lock().forget(&wire);
            wire.cut();
        }
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
        self.close();
        self.gate.lock().passes -= 1;
    }
}
