//! Bodies of answers: a page of ours, or what an app sends, with the connection that it comes over.
//!
//! Nothing is gathered: a piece is read from the app when the client has room for it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::instance::gate::pass::Pass;
use crate::instance::gate::wire::Arrived;

/// A body.
#[derive(Debug)]
pub enum Body {
    /// A text that is there already, or nothing.
    Text(Option<Bytes>),
    /// What an app sends.
    Stream(Stream),
}

/// What an app sends.
#[derive(Debug)]
pub struct Stream {
    /// Until all has come: given back at the end, closed when it is dropped before.
    pass: Option<Pass>,
    /// Bytes to come, where the app said it.
    left: Option<u64>,
}

impl Body {
    /// Nothing.
    pub(super) const EMPTY: Self = Self::Text(None);

    /// What comes through `pass`, which is given back at once when all of it has come.
    pub(super) fn of(arrived: Arrived, pass: Pass) -> Self {
        match arrived {
            Arrived::Whole(text) => {
                pass.leave();
                Self::Text(Some(text).filter(|text| !text.is_empty()))
            }
            Arrived::Streams(left) => Self::Stream(Stream { pass: Some(pass), left }),
        }
    }
}

impl Stream {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(wire) = self.pass.as_ref().and_then(Pass::wire) else { return Poll::Ready(None) };
        let polled = wire.poll_frame(cx);
        let is_last = match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let size = frame.data_ref().map_or(0, |piece| piece.len() as u64);
                self.left = self.left.map(|left| left.saturating_sub(size));
                wire.is_at_end()
            }
            Poll::Ready(None) => true,
            _ => false,
        };
        if is_last && let Some(pass) = self.pass.take() {
            pass.leave();
        }
        polled
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Stream(stream) => stream.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(text) => text.is_none(),
            Self::Stream(stream) => stream.pass.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Self::Stream(stream) => stream.left.map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}
