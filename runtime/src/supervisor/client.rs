//! A blocking client of the supervisor: one call at a time, events kept for later.
//!
//! For `serve` before it starts its runtime, for `down`, the guardian and tests. A client that must not block goes on with
//! [`Client::into_socket`], [`super::codec`] and its own event loop.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::codec::{self, CodecError};
use super::protocol::{Call, Event, FromSupervisor, Refusal, Reply, Request, VERSION};
use super::socket::Socket;

/// How long a call may take unless [`Client::set_timeout`] says otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// A call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The connection failed; `UnexpectedEof` when the supervisor closed it.
    #[error("{operation}: {source}")]
    Io {
        /// What was being done.
        operation: &'static str,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// No answer in time.
    #[error("wait for the supervisor: no answer after {0:?}")]
    TimedOut(Duration),
    /// A message did not fit or was not understood.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The supervisor said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The reply is not one to the request.
    #[error("the supervisor answered with another reply than asked for")]
    WrongReply,
}

/// The supervisor's answer to a greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Welcome {
    /// The version that both speak.
    pub version: u16,
    /// Changes whenever sessions of an earlier supervisor were lost.
    pub epoch: u64,
    /// Process id of the supervisor.
    pub pid: u32,
}

/// A connection to the supervisor.
#[derive(Debug)]
pub struct Client {
    socket: Socket,
    last_id: u64,
    events: VecDeque<Event>,
    timeout: Duration,
}

impl Client {
    /// Connects; [`Client::hello`] must follow.
    ///
    /// # Errors
    /// When nobody serves the socket or this user may not connect.
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        Ok(Self::from_socket(Socket::connect(path).map_err(io_error("connect to the supervisor"))?))
    }

    /// Uses a connection that exists.
    pub fn from_socket(socket: Socket) -> Self {
        Self { socket, last_id: 0, events: VecDeque::new(), timeout: DEFAULT_TIMEOUT }
    }

    /// Sets how long one call may take.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// Greets the supervisor. Must come first.
    ///
    /// # Errors
    /// Refused when no version is spoken by both.
    pub fn hello(&mut self) -> Result<Welcome, ClientError> {
        match self.call(Request::Hello { version: VERSION }, &[])?.0 {
            Reply::Welcome { version, epoch, pid } => Ok(Welcome { version, epoch, pid }),
            _ => Err(ClientError::WrongReply),
        }
    }

    /// Makes one request and waits for its reply. Events that come meanwhile are kept.
    ///
    /// # Errors
    /// As [`ClientError`]; after any but a refusal the connection is of no more use.
    pub fn call(
        &mut self,
        request: Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(Reply, Vec<OwnedFd>), ClientError> {
        let id = self.send(request, descriptors)?;
        let end = Instant::now() + self.timeout;
        loop {
            match self.receive(end)? {
                (FromSupervisor::Reply { id: answered, result }, descriptors) if answered == id => {
                    return Ok((result?, descriptors));
                }
                (FromSupervisor::Reply { .. }, _) => {}
                (FromSupervisor::Event { event }, _) => self.events.push_back(event),
            }
        }
    }

    /// Sends a request without waiting for its reply; returns its number.
    ///
    /// # Errors
    /// As [`ClientError`].
    pub fn send(&mut self, request: Request, descriptors: &[BorrowedFd<'_>]) -> Result<u64, ClientError> {
        self.last_id += 1;
        let bytes = codec::encode(&Call { id: self.last_id, request })?;
        let end = Instant::now() + self.timeout;
        loop {
            match self.socket.try_send(&bytes, descriptors) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(PollFlags::POLLOUT, end)?
                }
                sent => return sent.map(|()| self.last_id).map_err(io_error("send to the supervisor")),
            }
        }
    }

    /// Waits for whatever comes next, reply or event, until `end`.
    ///
    /// # Errors
    /// [`ClientError::TimedOut`] when nothing came.
    pub fn receive(&mut self, end: Instant) -> Result<(FromSupervisor, Vec<OwnedFd>), ClientError> {
        loop {
            match self.socket.try_recv() {
                Ok(packet) => return Ok((codec::decode(&packet.bytes)?, packet.descriptors)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(PollFlags::POLLIN, end)?
                }
                Err(error) => return Err(io_error("receive from the supervisor")(error)),
            }
        }
    }

    /// The oldest event not yet taken; waits for one as long as `timeout`, and gives `None` after that.
    ///
    /// # Errors
    /// As [`ClientError`].
    pub fn next_event(&mut self, timeout: Duration) -> Result<Option<Event>, ClientError> {
        let end = Instant::now() + timeout;
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            match self.receive(end) {
                Ok((FromSupervisor::Event { event }, _)) => self.events.push_back(event),
                Ok((FromSupervisor::Reply { .. }, _)) => {}
                Err(ClientError::TimedOut(_)) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// The connection, and the events that came before. The next request's number must be above those used.
    pub fn into_socket(self) -> (Socket, VecDeque<Event>, u64) {
        (self.socket, self.events, self.last_id)
    }

    fn wait(&self, flags: PollFlags, end: Instant) -> Result<(), ClientError> {
        let left = end.saturating_duration_since(Instant::now());
        let milliseconds = i32::try_from(left.as_millis() + 1).unwrap_or(i32::MAX);
        let timeout = PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(self.socket.as_fd(), flags)], timeout) {
            Ok(0) => Err(ClientError::TimedOut(self.timeout)),
            Ok(_) | Err(nix::Error::EINTR) => Ok(()),
            Err(errno) => Err(io_error("wait for the supervisor")(errno.into())),
        }
    }
}

fn io_error(operation: &'static str) -> impl FnOnce(io::Error) -> ClientError {
    move |source| ClientError::Io { operation, source }
}
