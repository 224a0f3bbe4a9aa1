//! The bytes of a connection to a port, both ways at once: an app may answer before it has read all of a request.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes, BytesMut};
use hyper::body::Frame;
use hyper::{Method, Request, Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;

use super::Arrived;
use super::framing::{self, Framing, Taken};
use super::head;
use super::upload::Upload;
use crate::config::limits;

/// What is read at once in the beginning; as much as the head may have where it is always filled.
const READ_BYTES: usize = 8 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    /// Read and not taken yet.
    input: BytesMut,
    /// What is read at once.
    read_bytes: usize,
    /// To be written before more of the upload.
    output: BytesMut,
    upload: Upload,
    /// Something of the request was written.
    has_sent: bool,
    method: Method,
    framing: Framing,
    /// Whether it can take another request after this answer.
    keeps: bool,
}

impl Connection {
    pub(super) fn over(stream: TcpStream) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            read_bytes: READ_BYTES,
            output: BytesMut::new(),
            upload: Upload::default(),
            has_sent: false,
            method: Method::GET,
            framing: Framing::END,
            keeps: true,
        }
    }

    /// Takes a request and its body.
    pub(super) fn begin(&mut self, request: &mut Request<Upload>) -> io::Result<()> {
        head::put(request, &mut self.output);
        self.upload = std::mem::take(request.body_mut());
        self.method = request.method().clone();
        self.has_sent = false;
        Ok(())
    }

    /// The body of a request that could not be sent.
    pub(super) fn take_unsent(&mut self) -> Option<Upload> {
        (!self.has_sent).then(|| std::mem::take(&mut self.upload))
    }

    /// The head of the answer; those that only promise one are passed over.
    pub(super) fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Response<Arrived>>> {
        self.send(cx)?;
        loop {
            let head = if self.input.is_empty() { None } else { head::take(&mut self.input)? };
            match head {
                Some(head) if is_interim(head.status()) => {}
                Some(head) => return Poll::Ready(self.arrive(head)),
                None => ready!(self.poll_read(cx))?,
            }
        }
    }

    fn arrive(&mut self, mut head: Response<()>) -> io::Result<Response<Arrived>> {
        self.framing = Framing::of(&self.method, &mut head)?;
        self.keeps = framing::keeps(&head) && self.framing != Framing::Close;
        let arrived = match self.framing {
            Framing::Length(size) if size <= self.input.len() as u64 => {
                self.framing = Framing::END;
                Arrived::Whole(self.input.split_to(usize::try_from(size).unwrap_or(0)).freeze())
            }
            Framing::Length(size) => Arrived::Streams(Some(size)),
            _ => Arrived::Streams(None),
        };
        Ok(head.map(|()| arrived))
    }

    /// The next piece of the answer.
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.send(cx)?;
        while !self.is_at_end() {
            match self.framing.take(&mut self.input)? {
                Taken::Piece(piece) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                Taken::Trailers(headers) if headers.is_empty() => {}
                Taken::Trailers(headers) => return Poll::Ready(Some(Ok(Frame::trailers(headers)))),
                Taken::Nothing => match ready!(self.poll_read(cx)) {
                    Err(error) if self.is_end(&error) => self.framing = Framing::END,
                    read => read?,
                },
            }
        }
        Poll::Ready(None)
    }

    /// Some bodies last until the connection is closed.
    fn is_end(&self, error: &io::Error) -> bool {
        self.framing == Framing::Close && error.kind() == io::ErrorKind::UnexpectedEof
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.framing == Framing::END
    }

    /// Whether it is between two requests, and the app has not closed it nor sent what nobody asked for.
    pub(super) fn is_usable(&mut self) -> bool {
        let is_free = self.keeps && self.is_at_end() && self.upload.is_at_end() && self.output.is_empty();
        if !is_free || !self.input.is_empty() {
            return false;
        }
        if self.read_bytes > READ_BYTES {
            (self.read_bytes, self.input) = (READ_BYTES, BytesMut::new());
        }
        self.poll_read(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    pub(super) fn into_stream(self) -> (TcpStream, Bytes) {
        (self.stream, self.input.freeze())
    }

    /// Sends what can be sent now. An app that has stopped reading may still answer.
    fn send(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        loop {
            match self.poll_flush(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) if self.has_sent => {
                    (self.keeps, self.upload) = (false, Upload::default());
                    self.output.clear();
                    return Ok(());
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(()),
            }
            match self.upload.poll_piece(cx, &mut self.output)? {
                Poll::Ready(true) => {}
                Poll::Ready(false) | Poll::Pending => return Ok(()),
            }
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.output.is_empty() {
            let count = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.output))?;
            self.has_sent = true;
            self.output.advance(count);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads something; the end is an error. A connection that has never been read from holds no buffer.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.stream.poll_read_ready(cx))?;
        self.input.reserve(self.read_bytes);
        let room = self.input.capacity() - self.input.len();
        let count = ready!(pin!(self.stream.read_buf(&mut self.input)).poll(cx))?;
        if count == 0 {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it was closed")));
        }
        if count == room {
            self.read_bytes = (self.read_bytes * 2).min(limits::PORT_HEAD_BYTES);
        }
        Poll::Ready(Ok(()))
    }
}

fn is_interim(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
}
