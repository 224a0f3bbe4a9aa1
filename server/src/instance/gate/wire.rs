//! One HTTP/1.1 connection to a port. It has no task of its own: whoever waits for its answer moves its bytes, so a
//! request never wakes another thread. Cutting it frees the socket at once and wakes whoever waits.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::pass::SendError;
use super::upload::Upload;
use crate::config::limits;

type Connection = http1::Connection<TokioIo<TcpStream>, Upload>;

/// The connection; clones are the same one.
#[derive(Debug, Clone)]
pub struct Wire {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Gone once it was cut.
    ends: Option<Ends>,
    /// Whoever moved its bytes last.
    waker: Option<Waker>,
}

#[derive(Debug)]
struct Ends {
    sender: SendRequest<Upload>,
    connection: Connection,
    /// It has ended by itself, or is something else than HTTP from now on.
    ended: bool,
}

/// A connection that waits for a request.
#[derive(Debug)]
pub(super) struct Idle {
    pub(super) port: u16,
    pub(super) since: Instant,
    pub(super) wire: Wire,
}

impl Wire {
    /// Speaks HTTP over a stream.
    pub(super) async fn over(stream: TcpStream) -> hyper::Result<Self> {
        let builder = http1::Builder::new().max_buf_size(limits::PORT_HEAD_BYTES).to_owned();
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        let ends = Ends { sender, connection, ended: false };
        Ok(Self { shared: Arc::new(Mutex::new(Shared { ends: Some(ends), waker: None })) })
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// When the connection breaks or is cut.
    pub async fn send(&self, request: Request<Upload>) -> Result<Response<Incoming>, SendError> {
        let sent = match &mut self.lock().ends {
            Some(ends) => ends.sender.try_send_request(request),
            None => return Err(SendError::Connect(super::ConnectError::Shut)),
        };
        let mut sent = pin!(sent);
        std::future::poll_fn(|cx| {
            self.drive(cx);
            // Only this task moves the bytes, so only the socket and a cut need to wake it.
            sent.as_mut().poll(&mut Context::from_waker(Waker::noop())).map_err(SendError::from)
        })
        .await
    }

    /// Moves whatever bytes can be moved now; wakes the task of `cx` when there are more.
    pub fn drive(&self, cx: &mut Context<'_>) {
        let mut shared = self.lock();
        let shared = &mut *shared;
        let Some(ends) = &mut shared.ends else { return };
        ends.drive(cx);
        match &mut shared.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => shared.waker = Some(cx.waker().clone()),
        }
    }

    /// Whether it stands and can take a request. Looks at the socket.
    pub(super) fn is_usable(&self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        let mut shared = self.lock();
        let Some(ends) = &mut shared.ends else { return false };
        ends.drive(&mut cx);
        !ends.ended && ends.sender.is_ready()
    }

    /// The stream itself with what was read of it already, after an answer that switches protocols.
    pub async fn into_stream(self) -> Option<(TcpStream, Bytes)> {
        std::future::poll_fn(|cx| {
            self.drive(cx);
            let ended = self.lock().ends.as_ref().is_none_or(|ends| ends.ended);
            if ended { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        let ends = self.lock().ends.take()?;
        let parts = ends.connection.into_parts();
        Some((parts.io.into_inner(), parts.read_buf))
    }

    /// Closes it, whoever uses it.
    pub(super) fn cut(&self) {
        let shared = std::mem::take(&mut *self.lock());
        drop(shared.ends);
        if let Some(waker) = shared.waker {
            waker.wake();
        }
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ends {
    fn drive(&mut self, cx: &mut Context<'_>) {
        // What it ended with, the request's own answer tells.
        self.ended = self.ended || self.connection.poll_without_shutdown(cx).is_ready();
    }
}
