//! The way into an instance's own network: connections to its TCP ports, from sockets that the backend opened inside.
//!
//! A socket keeps the network alive. So a gate is shut when its instance ends, reboots or is removed: whatever it holds
//! or has given away for HTTP is dropped at once, and what is a plain stream is told by [`Gate::shut_signal`].

pub mod look;
pub mod pass;
mod stock;
pub mod wire;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use sandlot_runtime::supervisor::name::{InstanceIndex, SessionNumber};
use sandlot_runtime::supervisor::protocol::SocketFamily;
use tokio::net::{TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

use self::look::Watch;
use self::pass::Pass;
use self::stock::Stock;
use self::wire::{Idle, Wire};
use crate::config::limits;
use crate::error::Error;
use crate::instance::{Backend, InstanceWatch};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The instance reboots, has stopped, or its session ends.
    #[error("connect to a port: the instance does not run")]
    Shut,
    /// Nothing listens there.
    #[error("connect to a port: nothing listens there")]
    Refused,
    /// As many connections as there may be are open.
    #[error("connect to a port: too many connections")]
    Busy,
    /// Any other failure of the connection.
    #[error("connect to a port: {0}")]
    Io(#[source] io::Error),
    /// The backend gave no socket.
    #[error("connect to a port: {0}")]
    Backend(#[source] Error),
}

/// The way to the ports of one instance.
#[derive(Debug)]
pub struct Gate {
    session: SessionNumber,
    instance: InstanceIndex,
    backend: Backend,
    inner: Mutex<Inner>,
    /// What tells of listening ports; locked after `inner` where both are.
    watch: Mutex<Option<Watch>>,
}

/// Changed under the lock only, never held over an await.
#[derive(Debug)]
struct Inner {
    open: bool,
    /// Counts the times that the gate was shut: sockets of an earlier network are not taken in.
    epoch: u64,
    shut: CancellationToken,
    stock: Stock,
    /// Connections that wait for a request, the newest last.
    idle: Vec<Idle>,
    /// HTTP connections that are in use.
    wires: Vec<Wire>,
    /// Connections that are in use.
    passes: usize,
}

impl Gate {
    /// The gate of an instance that runs.
    pub fn new(session: SessionNumber, instance: InstanceIndex, backend: Backend) -> Arc<Self> {
        let inner = Inner {
            open: true,
            epoch: 0,
            shut: CancellationToken::new(),
            stock: Stock::default(),
            idle: Vec::new(),
            wires: Vec::new(),
            passes: 0,
        };
        Arc::new(Self { session, instance, backend, inner: Mutex::new(inner), watch: Mutex::default() })
    }

    /// Lets nobody through any more, and drops every socket of the instance's network that is held here.
    pub fn shut(&self) {
        let (idle, wires, stock);
        {
            let mut inner = self.lock();
            inner.open = false;
            inner.epoch += 1;
            inner.shut.cancel();
            idle = std::mem::take(&mut inner.idle);
            wires = std::mem::take(&mut inner.wires);
            stock = std::mem::take(&mut inner.stock);
        }
        idle.iter().map(|idle| &idle.wire).chain(&wires).for_each(Wire::cut);
        drop(stock);
        self.watch.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Asks the backend for what [`Gate::look`] looks at; `None` where it has no such thing.
    ///
    /// # Errors
    /// When it refuses or is away.
    pub async fn ask_for_watch(&self) -> crate::error::Result<Option<InstanceWatch>> {
        self.backend.watch_instance(self.session, self.instance).await
    }

    /// The instance runs again, with a network of its own.
    pub fn reopen(&self) {
        let mut inner = self.lock();
        if !inner.open {
            inner.open = true;
            inner.shut = CancellationToken::new();
        }
    }

    /// Cancelled when the gate is shut.
    pub fn shut_signal(&self) -> CancellationToken {
        self.lock().shut.clone()
    }

    /// Drops what nobody has used for a while.
    pub fn sweep(&self, now: Instant) {
        let mut inner = self.lock();
        let fresh = |since: Instant| now.saturating_duration_since(since) < limits::PORT_IDLE_TIME;
        let (kept, old) = std::mem::take(&mut inner.idle).into_iter().partition(|idle| fresh(idle.since));
        inner.idle = kept;
        if inner.idle.is_empty() {
            inner.idle = Vec::new();
        }
        let stock = inner.stock.take_unused(fresh);
        drop(inner);
        drop::<(Vec<Idle>, Vec<OwnedFd>)>((old, stock));
    }

    /// Room for one more connection to this port. It ends when the pass is dropped.
    ///
    /// # Errors
    /// When the gate is shut or there are too many.
    pub fn pass(self: &Arc<Self>, port: u16) -> Result<Pass, ConnectError> {
        let mut inner = self.lock();
        if !inner.open {
            return Err(ConnectError::Shut);
        }
        if inner.passes >= limits::PORT_CONNECTIONS {
            return Err(ConnectError::Busy);
        }
        inner.passes += 1;
        drop(inner);
        Ok(Pass::new(Arc::clone(self), port))
    }

    /// A new connection to a port: each of the families in this order, until one is not refused.
    ///
    /// # Errors
    /// When there is none.
    pub async fn connect(&self, port: u16, families: [SocketFamily; 2]) -> Result<TcpStream, ConnectError> {
        for family in families {
            match self.connect_by(port, family).await {
                Err(ConnectError::Refused) => {}
                done => return done,
            }
        }
        Err(ConnectError::Refused)
    }

    async fn connect_by(&self, port: u16, family: SocketFamily) -> Result<TcpStream, ConnectError> {
        let socket = self.socket(family).await?;
        let socket = TcpSocket::from_std_stream(socket.into());
        let connected =
            tokio::time::timeout(limits::PORT_CONNECT_TIME, socket.connect(loopback(family, port))).await;
        match connected {
            Ok(Ok(stream)) => {
                // Without it small answers are slower, not wrong.
                drop(stream.set_nodelay(true));
                Ok(stream)
            }
            Ok(Err(error)) if is_refusal(&error) => Err(ConnectError::Refused),
            Ok(Err(error)) => Err(ConnectError::Io(error)),
            Err(_) => Err(ConnectError::Io(io::ErrorKind::TimedOut.into())),
        }
    }

    /// A socket of the instance's network; asks the backend for more when none is ready.
    async fn socket(&self, family: SocketFamily) -> Result<OwnedFd, ConnectError> {
        let (epoch, count) = {
            let mut inner = self.lock();
            if !inner.open {
                return Err(ConnectError::Shut);
            }
            if let Some(socket) = inner.stock.take(family) {
                return Ok(socket);
            }
            (inner.epoch, inner.stock.next_count(family))
        };
        let opened = self.backend.open_sockets(self.session, self.instance, family, count).await;
        let mut sockets = opened.map_err(ConnectError::Backend)?;
        let socket = sockets.pop().ok_or(ConnectError::Shut)?;
        let mut inner = self.lock();
        if inner.epoch != epoch {
            return Err(ConnectError::Shut);
        }
        let rest = inner.stock.put(family, sockets);
        drop(inner);
        drop(rest);
        Ok(socket)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn loopback(family: SocketFamily, port: u16) -> SocketAddr {
    let address = match family {
        SocketFamily::V4 => IpAddr::V4(Ipv4Addr::LOCALHOST),
        SocketFamily::V6 => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    SocketAddr::new(address, port)
}

/// Nothing listens, or the instance has no such address at all.
fn is_refusal(error: &io::Error) -> bool {
    use io::ErrorKind::{AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkUnreachable};
    matches!(error.kind(), ConnectionRefused | AddrNotAvailable | NetworkUnreachable | HostUnreachable)
}
