//! One connection to the supervisor, from the greeting to the break.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sandlot_runtime::supervisor::codec;
use sandlot_runtime::supervisor::protocol::{Call, FromSupervisor, Reply, Request, VERSION};
use sandlot_runtime::supervisor::socket::{Packet, Socket};
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, oneshot};

use crate::readiness;

use super::{Answer, CallError, News, Waiting};

#[derive(Debug)]
pub(super) struct Connection {
    socket: AsyncFd<Socket>,
    last_id: AtomicU64,
    /// Calls without an answer; filled by callers, emptied by the reader. `None` once the connection has broken.
    waiting: Mutex<Option<Waiting>>,
}

impl Connection {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let socket = readiness::watch(Socket::connect(path)?)?;
        Ok(Self { socket, last_id: AtomicU64::new(0), waiting: Mutex::new(Some(Waiting::new())) })
    }

    /// Greets the supervisor; returns its epoch.
    pub(super) async fn greet(&self) -> Result<u64, CallError> {
        match self.call(Request::Hello { version: VERSION }).await?.0 {
            Reply::Welcome { epoch, .. } => Ok(epoch),
            _ => Err(CallError::Broken),
        }
    }

    pub(super) async fn call(&self, request: Request) -> Result<Answer, CallError> {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let bytes = codec::encode(&Call { id, request })?;
        let (sender, receiver) = oneshot::channel();
        self.lock().as_mut().ok_or(CallError::Broken)?.insert(id, sender);
        if let Err(error) = self.send(&bytes).await {
            if let Some(waiting) = self.lock().as_mut() {
                waiting.remove(&id);
            }
            return Err(CallError::Send(error));
        }
        receiver.await.unwrap_or(Err(CallError::Broken))
    }

    async fn send(&self, bytes: &[u8]) -> io::Result<()> {
        match self.socket.get_ref().try_send(bytes, &[]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            sent => return sent,
        }
        loop {
            let mut guard = self.socket.writable().await?;
            if let Ok(sent) = guard.try_io(|socket| socket.get_ref().try_send(bytes, &[])) {
                return sent;
            }
        }
    }

    /// Hands out whatever comes, until the connection breaks.
    pub(super) async fn read(&self, news: &mpsc::Sender<News>) {
        loop {
            let Ok(mut guard) = self.socket.readable().await else { return };
            match guard.try_io(|socket| socket.get_ref().try_recv()) {
                Err(_would_block) => {}
                Ok(Ok(packet)) => self.hand_out(packet, news).await,
                Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
                    tracing::error!(%error, "a message of the supervisor was dropped");
                }
                Ok(Err(error)) => {
                    tracing::debug!(%error, "receive from the supervisor");
                    return;
                }
            }
        }
    }

    async fn hand_out(&self, packet: Packet, news: &mpsc::Sender<News>) {
        match codec::decode(&packet.bytes) {
            Ok(FromSupervisor::Reply { id, result }) => {
                let caller = self.lock().as_mut().and_then(|waiting| waiting.remove(&id));
                let result = result.map(|reply| (reply, packet.descriptors)).map_err(CallError::Refused);
                if caller.is_none_or(|caller| caller.send(result).is_err()) {
                    tracing::debug!(id, "nobody waits for this answer any more");
                }
            }
            // Serve is ending when nobody listens.
            Ok(FromSupervisor::Event { event }) => drop(news.send(News::Event(event)).await),
            Err(error) => tracing::error!(%error, "a message of the supervisor was not understood"),
        }
    }

    /// The connection is of no more use: every caller learns it.
    pub(super) fn fail_all(&self) {
        drop(self.lock().take());
    }

    fn lock(&self) -> MutexGuard<'_, Option<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
