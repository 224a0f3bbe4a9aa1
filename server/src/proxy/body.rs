//! Bodies of answers: a page of ours, or what an app sends, with the connection that it comes over.
//!
//! Nothing is gathered: a piece is read from the app when the client has room for it.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};

use crate::instance::gate::pass::Pass;
use crate::instance::gate::wire::Wire;

/// A body.
#[derive(Debug)]
pub enum Body {
    /// A text that is there already, or nothing.
    Text(Option<Bytes>),
    /// What an app sends.
    Stream(Box<Stream>),
}

/// What an app sends.
#[derive(Debug)]
pub struct Stream {
    incoming: Incoming,
    way: Option<Way>,
}

/// The connection that a body comes over; given back when the body is at its end, closed when it is dropped before.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) pass: Pass,
    pub(super) port: u16,
    pub(super) wire: Wire,
}

impl Body {
    /// Nothing.
    pub(super) const EMPTY: Self = Self::Text(None);

    /// What comes over `way`; one that is empty gives the connection back at once.
    pub(super) fn stream(incoming: Incoming, way: Way) -> Self {
        if incoming.is_end_stream() {
            way.leave();
            return Self::EMPTY;
        }
        Self::Stream(Box::new(Stream { incoming, way: Some(way) }))
    }
}

impl Way {
    fn leave(self) {
        let Self { pass, port, wire } = self;
        pass.leave(port, wire);
    }
}

impl Stream {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = match &self.way {
            Some(way) => poll_over(&mut self.incoming, &way.wire, cx),
            None => Pin::new(&mut self.incoming).poll_frame(cx),
        };
        let is_last = match &polled {
            Poll::Ready(Some(Ok(_))) => self.incoming.is_end_stream(),
            Poll::Ready(None) => true,
            _ => false,
        };
        if is_last && let Some(way) = self.way.take() {
            way.leave();
        }
        polled
    }
}

/// The next piece. Only this task moves the bytes, so only the socket and a cut need to wake it.
fn poll_over(
    incoming: &mut Incoming,
    wire: &Wire,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
    let mut silent = Context::from_waker(Waker::noop());
    let polled = Pin::new(&mut *incoming).poll_frame(&mut silent);
    if polled.is_ready() {
        return polled;
    }
    wire.drive(cx);
    Pin::new(incoming).poll_frame(&mut silent)
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(way) = self.way.take() {
            way.pass.drop_wire(&way.wire);
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Stream(stream) => stream.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(text) => text.is_none(),
            Self::Stream(stream) => stream.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Self::Stream(stream) => stream.incoming.size_hint(),
        }
    }
}
