//! The threads that connections to ports live on, one for each processor. Such a connection stays on the one that it was
//! given to, with the connections to apps that it opens: no request wakes another thread, and no thread takes work from
//! another. Terminals have no lanes: their viewers are woken by what runs on the shared threads.

use std::future::Future;
use std::io;
use std::thread::available_parallelism;

use tokio::net::TcpStream;
use tokio_util::task::LocalPoolHandle;

use crate::shutdown::Shutdown;

/// See the module; clones share the threads. The connections end with the last, also those that have become websockets.
#[derive(Debug, Clone)]
pub(in crate::serve) struct Lanes(LocalPoolHandle);

impl Lanes {
    pub(in crate::serve) fn new() -> Self {
        Self(LocalPoolHandle::new(available_parallelism().map_or(1, usize::from)))
    }

    /// Runs a connection to its end, which serve waits for before it exits.
    ///
    /// # Errors
    /// When the socket cannot be moved to another thread's reactor.
    pub(super) fn run<F: Future<Output = ()> + 'static>(
        &self,
        stream: TcpStream,
        shutdown: &Shutdown,
        connection: impl FnOnce(TcpStream) -> F + Send + 'static,
    ) -> io::Result<()> {
        let stream = stream.into_std()?;
        let work = shutdown.clone();
        // It ends by itself; nobody waits for what it comes to.
        drop(self.0.spawn_pinned(move || {
            work.track(async move {
                match TcpStream::from_std(stream) {
                    Ok(stream) => connection(stream).await,
                    Err(error) => tracing::warn!(%error, "take a connection"),
                }
            })
        }));
        Ok(())
    }
}
