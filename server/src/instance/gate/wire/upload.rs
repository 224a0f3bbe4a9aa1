//! The body of a request to a port: what the client sends, or nothing.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, BytesMut};
use hyper::body::{Body, Incoming};

/// A client's body, and how an app is told where it ends (RFC 9112, section 6).
#[derive(Debug, Default)]
pub struct Upload {
    incoming: Option<Incoming>,
    is_chunked: bool,
}

impl Upload {
    /// What a client sends.
    pub fn new(incoming: Incoming) -> Self {
        let is_chunked = incoming.size_hint().exact().is_none();
        Self { incoming: (!incoming.is_end_stream()).then_some(incoming), is_chunked }
    }

    /// Whether nothing is to be sent, or no more.
    pub fn is_at_end(&self) -> bool {
        self.incoming.is_none()
    }

    /// Bytes of it; `None` when nobody knows ahead, so that it goes in chunks.
    pub(super) fn size(&self) -> Option<u64> {
        self.incoming.as_ref().map_or(Some(0), |incoming| incoming.size_hint().exact())
    }

    /// Puts the next piece to `output`; false once there is none.
    pub(super) fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        output: &mut BytesMut,
    ) -> Poll<io::Result<bool>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(Ok(false)) };
        let frame = ready!(Pin::new(incoming).poll_frame(cx)).transpose().map_err(io::Error::other)?;
        let Some(frame) = frame else {
            self.incoming = None;
            if self.is_chunked {
                output.put_slice(b"0\r\n\r\n");
            }
            return Poll::Ready(Ok(self.is_chunked));
        };
        // Trailers of a client are for the next hop only.
        if let Ok(piece) = frame.into_data() {
            self.put(&piece, output);
        }
        Poll::Ready(Ok(true))
    }

    fn put(&self, piece: &[u8], output: &mut BytesMut) {
        if !self.is_chunked {
            output.put_slice(piece);
        } else if !piece.is_empty() {
            // An empty chunk would be the end.
            output.put_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            output.put_slice(piece);
            output.put_slice(b"\r\n");
        }
    }
}
