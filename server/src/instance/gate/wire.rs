//! One HTTP/1.1 connection to a port (RFC 9112), from the client's end. It has no task of its own: whoever waits for its
//! answer moves its bytes, so a request never wakes another thread. Cutting it frees the socket at once and wakes
//! whoever waits.
//!
//! What is on the other end is the session's own program: it can mislead nobody but those who asked for it.

mod connection;
mod framing;
mod head;
pub mod upload;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use bytes::Bytes;
use hyper::body::Frame;
use hyper::{Request, Response};
use tokio::net::TcpStream;
use tokio::runtime;

use self::connection::Connection;
use self::upload::Upload;

/// The connection; clones are the same one.
#[derive(Debug, Clone)]
pub struct Wire {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Gone once it was cut.
    connection: Option<Connection>,
    /// Whoever moved its bytes last.
    waker: Option<Waker>,
}

/// What has come of an answer's body with its head.
#[derive(Debug)]
pub enum Arrived {
    /// All of it, or there is none.
    Whole(Bytes),
    /// The rest is to be asked for; its length where it is known.
    Streams(Option<u64>),
}

/// A request was not answered.
#[derive(Debug)]
pub struct Unanswered {
    /// Why.
    pub error: io::Error,
    /// Whether the same request can be sent over another connection: nothing of it was sent.
    pub is_unsent: bool,
}

/// A connection that waits for a request.
#[derive(Debug)]
pub(super) struct Idle {
    pub(super) port: u16,
    /// On whose reactor it is: another one would have to be woken for each of its bytes.
    pub(super) runtime: runtime::Id,
    pub(super) since: Instant,
    pub(super) wire: Wire,
}

impl Wire {
    /// Speaks HTTP over a stream.
    pub(super) fn over(stream: TcpStream) -> Self {
        let connection = Some(Connection::over(stream));
        Self { shared: Arc::new(Mutex::new(Shared { connection, waker: None })) }
    }

    /// Sends a request and waits for the head of its answer. The body is taken from the request unless it is unsent.
    ///
    /// # Errors
    /// When the connection breaks or is cut.
    pub async fn send(&self, request: &mut Request<Upload>) -> Result<Response<Arrived>, Unanswered> {
        let begun = self.with(|connection| connection.begin(request));
        begun.map_err(|error| Unanswered { error, is_unsent: true })?;
        let answered = std::future::poll_fn(|cx| self.poll(cx, Connection::poll_answer)).await;
        answered.map_err(|error| {
            let unsent = self.with(|connection| Ok(connection.take_unsent())).ok().flatten();
            let is_unsent = unsent.map(|upload| *request.body_mut() = upload).is_some();
            Unanswered { error, is_unsent }
        })
    }

    /// The next piece of an answer that streams.
    pub fn poll_frame(&self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.poll(cx, |connection, cx| Poll::Ready(Ok(ready!(connection.poll_frame(cx)))))
            .map(|polled| polled.unwrap_or_else(|error| Some(Err(error))))
    }

    /// Whether the answer is at its end.
    pub fn is_at_end(&self) -> bool {
        self.lock().connection.as_ref().is_none_or(Connection::is_at_end)
    }

    /// Whether it stands and can take a request. Looks at the socket.
    pub(super) fn is_usable(&self) -> bool {
        self.lock().connection.as_mut().is_some_and(Connection::is_usable)
    }

    /// The stream itself with what was read of it already, after an answer that switches protocols.
    pub(super) fn into_stream(self) -> Option<(TcpStream, Bytes)> {
        self.lock().connection.take().map(Connection::into_stream)
    }

    /// Closes it, whoever uses it.
    pub(super) fn cut(&self) {
        let shared = std::mem::take(&mut *self.lock());
        drop(shared.connection);
        if let Some(waker) = shared.waker {
            waker.wake();
        }
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Polls the connection for the task of `cx`, which a cut wakes.
    fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Connection, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let mut shared = self.lock();
        let Shared { connection, waker } = &mut *shared;
        let polled = poll(connection.as_mut().ok_or_else(was_cut)?, cx);
        if polled.is_pending() {
            match waker {
                Some(waker) => waker.clone_from(cx.waker()),
                None => *waker = Some(cx.waker().clone()),
            }
        }
        polled
    }

    fn with<T>(&self, act: impl FnOnce(&mut Connection) -> io::Result<T>) -> io::Result<T> {
        self.lock().connection.as_mut().ok_or_else(was_cut).and_then(act)
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn was_cut() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the instance's ports were shut")
}
