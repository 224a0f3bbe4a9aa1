//! Connections that go on as something else than HTTP, such as websockets: bytes both ways until either side is done.
//!
//! One that rests holds no buffer: all of a thread share one, and only what the other side did not take is kept apart.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use hyper::header::{CONNECTION, HeaderValue, UPGRADE};
use hyper::upgrade::OnUpgrade;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::body::Body;
use super::visit::Visit;
use super::{Proxy, answer};
use crate::config::limits;
use crate::instance::gate::pass::Pass;
use crate::instance::gate::wire::Arrived;

/// Turns of one direction before others have theirs.
const TURNS: usize = 8;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; limits::TUNNEL_TURN_BYTES].into());
}

/// Joins the client's connection with the app's; gives the head that the client waits for.
pub(super) fn begin(
    proxy: &Proxy,
    visit: &Visit,
    client: OnUpgrade,
    pass: Pass,
    response: Response<Arrived>,
) -> Response<Body> {
    let protocol = response.headers().get(UPGRADE).cloned();
    let mut head = response.map(|_| Body::EMPTY);
    answer::rewrite(head.headers_mut(), visit);
    *head.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    head.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    head.headers_mut().extend(protocol.map(|protocol| (UPGRADE, protocol)));
    let shut = pass.gate().shut_signal();
    let tunnel = async move {
        let ended = shut.run_until_cancelled_owned(join(client, pass)).await;
        if let Some(Err(error)) = ended {
            tracing::debug!(%error, "a tunnel broke");
        }
    };
    proxy.app.sessions.parts().shutdown.spawn(tunnel);
    head
}

async fn join(client: OnUpgrade, mut pass: Pass) -> io::Result<()> {
    let client = client.await.map_err(io::Error::other)?;
    let Some((app, first)) = pass.take_stream() else { return Ok(()) };
    copy(TokioIo::new(client), app, first).await?;
    drop(pass);
    Ok(())
}

/// Moves bytes between the two until both directions are at their end; `first` came from `app` already.
async fn copy(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    mut app: impl AsyncRead + AsyncWrite + Unpin,
    first: Bytes,
) -> io::Result<()> {
    let (mut up, mut down) = (Direction::default(), Direction { kept: first, ..Direction::default() });
    std::future::poll_fn(|cx| {
        let up = up.poll(cx, &mut client, &mut app)?;
        let down = down.poll(cx, &mut app, &mut client)?;
        if up.is_ready() && down.is_ready() { Poll::Ready(Ok(())) } else { Poll::Pending }
    })
    .await
}

/// One direction of a tunnel.
#[derive(Debug, Default)]
struct Direction {
    /// What was read and not taken by the other side.
    kept: Bytes,
    /// Nothing more comes.
    ended: bool,
    /// The other side was told so.
    told: bool,
    /// Something was written since the last flush.
    written: bool,
}

impl Direction {
    fn poll<R, W>(&mut self, cx: &mut Context<'_>, from: &mut R, to: &mut W) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        if self.told {
            return Poll::Ready(Ok(()));
        }
        for _ in 0..TURNS {
            if self.poll_turn(cx, from, to)?.is_pending() {
                return self.poll_flush(cx, to);
            }
            if self.told {
                return Poll::Ready(Ok(()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes what is kept, else moves what can be read now.
    fn poll_turn<R, W>(&mut self, cx: &mut Context<'_>, from: &mut R, to: &mut W) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        while !self.kept.is_empty() {
            let taken = std::task::ready!(Pin::new(&mut *to).poll_write(cx, &self.kept))?;
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.kept.advance(taken);
            self.written = true;
        }
        self.kept = Bytes::new();
        if self.ended {
            std::task::ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
            self.told = true;
            return Poll::Ready(Ok(()));
        }
        BUFFER.with_borrow_mut(|buffer| self.poll_move(cx, from, to, buffer))
    }

    fn poll_move<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        buffer: &mut [u8],
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mut read = ReadBuf::new(buffer);
        std::task::ready!(Pin::new(from).poll_read(cx, &mut read))?;
        let bytes = read.filled();
        self.ended = bytes.is_empty();
        if self.ended {
            return Poll::Ready(Ok(()));
        }
        let taken = match Pin::new(to).poll_write(cx, bytes) {
            Poll::Ready(taken) => taken?,
            Poll::Pending => 0,
        };
        self.written = true;
        self.kept = Bytes::copy_from_slice(bytes.get(taken..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }

    /// What may be held back below (TLS) must go out before this rests.
    fn poll_flush<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut W,
    ) -> Poll<io::Result<()>> {
        if self.written {
            std::task::ready!(Pin::new(to).poll_flush(cx))?;
            self.written = false;
        }
        Poll::Pending
    }
}
