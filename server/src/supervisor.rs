//! The asynchronous client of the node's supervisor: one connection, calls by number, events as they come.
//!
//! The connection is made again whenever it breaks. Calls that waited fail then; nothing is repeated, as the caller knows
//! best whether it may be. Who reconnects is told, so that rows and kernel can be reconciled.

mod connection;

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sandlot_runtime::supervisor::codec::CodecError;
use sandlot_runtime::supervisor::protocol::{Event, Refusal, Reply, Request};
use tokio::sync::{mpsc, oneshot};

use self::connection::Connection;
use crate::metrics::Metrics;
use crate::shutdown::Shutdown;

/// First wait before another attempt to connect; doubled each time.
const RETRY_FIRST: Duration = Duration::from_millis(10);
/// Longest such wait: ready again well within 2 s.
const RETRY_MOST: Duration = Duration::from_millis(250);
/// A call that is not answered by then has failed: starts and ends take some seconds at worst.
const CALL_TIME: Duration = Duration::from_secs(60);

/// A call failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// There is no connection.
    #[error("call the supervisor: it is away")]
    Away,
    /// The connection broke before the answer.
    #[error("call the supervisor: the connection broke")]
    Broken,
    /// No answer in time.
    #[error("call the supervisor: no answer in time")]
    TimedOut,
    /// The message could not be made.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Sending failed.
    #[error("send to the supervisor: {0}")]
    Send(#[source] io::Error),
    /// The supervisor said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// An answer with its descriptors.
pub type Answer = (Reply, Vec<OwnedFd>);
type Waiting = HashMap<u64, oneshot::Sender<Result<Answer, CallError>>>;

/// What comes from the supervisor unasked.
#[derive(Debug)]
pub enum News {
    /// A connection stands.
    Connected {
        /// Differs from the last one when sessions were lost.
        epoch: u64,
    },
    /// Something happened.
    Event(Event),
}

/// The link; clones share it.
#[derive(Debug, Clone)]
pub struct Link {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    /// Set and cleared by the link's task only.
    current: Mutex<Option<Arc<Connection>>>,
    /// Connections that stood so far; moved by the link's task only.
    connections: AtomicU64,
    news: mpsc::Sender<News>,
}

impl Link {
    /// A link to the socket at `path`. Its task connects at once, and again after every break.
    pub fn open(path: PathBuf, news: mpsc::Sender<News>, metrics: Arc<Metrics>, shutdown: &Shutdown) -> Self {
        let link = Self {
            shared: Arc::new(Shared {
                path,
                current: Mutex::default(),
                connections: AtomicU64::new(0),
                news,
            }),
        };
        shutdown.spawn_below(link.clone().stay_connected(metrics));
        link
    }

    /// Whether calls can be made.
    pub fn is_up(&self) -> bool {
        self.current().is_some()
    }

    /// Number of the connection that stands; `None` while none does.
    pub fn connection(&self) -> Option<u64> {
        self.is_up().then(|| self.shared.connections.load(Ordering::Acquire))
    }

    /// Makes one call. It is carried out even if the caller no longer waits.
    ///
    /// # Errors
    /// As [`CallError`].
    pub async fn call(&self, request: Request) -> Result<Answer, CallError> {
        let connection = self.current().ok_or(CallError::Away)?;
        let call = connection.call(request);
        tokio::time::timeout(CALL_TIME, call).await.unwrap_or(Err(CallError::TimedOut))
    }

    fn current(&self) -> Option<Arc<Connection>> {
        self.shared.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_current(&self, connection: Option<Arc<Connection>>) {
        *self.shared.current.lock().unwrap_or_else(PoisonError::into_inner) = connection;
    }

    async fn stay_connected(self, metrics: Arc<Metrics>) {
        let mut wait = RETRY_FIRST;
        loop {
            match self.connected().await {
                Ok(()) => {
                    metrics.supervisor_connections.add(1);
                    wait = RETRY_FIRST;
                    tracing::warn!("the connection to the supervisor broke");
                }
                Err(error) => tracing::debug!(%error, "connect to the supervisor"),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY_MOST);
        }
    }

    /// Connects and serves the connection until it breaks. An error is a connection that never stood.
    async fn connected(&self) -> Result<(), CallError> {
        let connection = Arc::new(Connection::open(&self.shared.path).map_err(CallError::Send)?);
        let greeted = async {
            let epoch = connection.greet().await?;
            self.shared.connections.fetch_add(1, Ordering::AcqRel);
            self.set_current(Some(Arc::clone(&connection)));
            tracing::info!(epoch, "connected to the supervisor");
            // Serve is ending when nobody listens.
            drop(self.shared.news.send(News::Connected { epoch }).await);
            Ok(())
        };
        let reading = connection.read(&self.shared.news);
        tokio::pin!(reading);
        let result = tokio::select! {
            result = greeted => result,
            () = &mut reading => Err(CallError::Broken),
        };
        if result.is_ok() {
            reading.await;
        }
        self.set_current(None);
        connection.fail_all();
        result
    }
}
