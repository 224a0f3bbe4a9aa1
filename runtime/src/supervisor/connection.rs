//! One client of the supervisor: what it may still ask, and what it has not yet taken.
//!
//! Nothing here waits. A client that asks faster than it is answered is not read; one that does not take its answers
//! is dropped.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use serde::{Deserialize, Serialize};

use super::codec;
use super::kept::Kept;
use super::protocol::{FromSupervisor, Refusal, RefusalKind};
use super::socket::{self, Packet, Socket};

/// Calls of one connection that are not answered, at most; further ones stay in its socket.
pub(crate) const MAX_PENDING: u32 = 64;
/// Messages that wait for one connection, at most; a client that lets more come together is dropped.
const MAX_QUEUED: usize = 256;
/// Faults after which a connection is closed.
const MAX_FAULTS: u32 = 16;

/// A connected client.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Connection {
    socket: Kept,
    /// Told by the kernel when it connected.
    pub(crate) uid: u32,
    /// Told by the kernel when it connected.
    pub(crate) pid: i32,
    /// Whether it has said Hello in a version that is spoken here.
    pub(crate) greeted: bool,
    /// Calls taken and not yet answered: up at each call, down at each reply.
    pending: u32,
    /// What the socket did not take yet, oldest first.
    queue: VecDeque<Outgoing>,
    /// Messages that made no sense.
    faults: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct Outgoing {
    text: String,
    descriptors: Vec<Kept>,
}

/// Why a connection is given up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Dropped {
    /// It closed, or the kernel says so.
    #[error("closed: {0}")]
    Closed(#[from] io::Error),
    /// It does not take its answers.
    #[error("it does not read: {MAX_QUEUED} messages wait")]
    TooSlow,
    /// It talks nonsense.
    #[error("{MAX_FAULTS} messages made no sense")]
    TooManyFaults,
}

impl Connection {
    /// A client that has just connected.
    pub(crate) fn new(socket: Socket) -> io::Result<Self> {
        let (uid, pid) = (socket.peer_uid()?, socket.peer_pid()?);
        Ok(Self {
            socket: socket.into_descriptor().into(),
            uid,
            pid,
            greeted: false,
            pending: 0,
            queue: VecDeque::new(),
            faults: 0,
        })
    }

    /// Whether its next message may be read.
    pub(crate) fn wants_read(&self) -> bool {
        self.pending < MAX_PENDING && self.queue.len() < MAX_QUEUED / 2
    }

    /// Whether messages wait for the socket to take them.
    pub(crate) fn wants_write(&self) -> bool {
        !self.queue.is_empty()
    }

    /// The next message; `None` when none waits or it was outside the bounds.
    pub(crate) fn receive(&mut self) -> Result<Option<Packet>, Dropped> {
        match socket::try_recv(self.as_fd()) {
            Ok(packet) => Ok(Some(packet)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => self.fault().map(|()| None),
            Err(error) => Err(error.into()),
        }
    }

    /// Counts a message that made no sense.
    pub(crate) fn fault(&mut self) -> Result<(), Dropped> {
        self.faults += 1;
        if self.faults > MAX_FAULTS { Err(Dropped::TooManyFaults) } else { Ok(()) }
    }

    /// Counts a call that will be answered.
    pub(crate) fn begin_call(&mut self) {
        self.pending += 1;
    }

    /// Sends the answer to a call.
    pub(crate) fn answer(
        &mut self,
        message: &FromSupervisor,
        descriptors: Vec<OwnedFd>,
    ) -> Result<(), Dropped> {
        self.pending = self.pending.saturating_sub(1);
        self.send(message, descriptors)
    }

    /// Sends a message, or keeps it until the socket takes it.
    pub(crate) fn send(
        &mut self,
        message: &FromSupervisor,
        descriptors: Vec<OwnedFd>,
    ) -> Result<(), Dropped> {
        if self.queue.len() >= MAX_QUEUED {
            return Err(Dropped::TooSlow);
        }
        let descriptors = descriptors.into_iter().map(Kept::from).collect();
        self.queue.push_back(Outgoing { text: written(message), descriptors });
        self.flush()
    }

    /// Gives the socket what it takes.
    pub(crate) fn flush(&mut self) -> Result<(), Dropped> {
        while let Some(first) = self.queue.front() {
            let descriptors: Vec<_> = first.descriptors.iter().map(AsFd::as_fd).collect();
            match socket::try_send(self.socket.as_fd(), first.text.as_bytes(), &descriptors) {
                Ok(()) => drop(self.queue.pop_front()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A message as text. One that does not fit becomes a refusal, so that its call is answered all the same.
fn written(message: &FromSupervisor) -> String {
    let bytes = codec::encode(message).or_else(|error| {
        let id = match message {
            FromSupervisor::Reply { id, .. } => *id,
            FromSupervisor::Event { .. } => 0,
        };
        let refusal = Refusal { kind: RefusalKind::Failed, message: format!("answer: {error}"), step: None };
        codec::encode(&FromSupervisor::Reply { id, result: Err(refusal) })
    });
    bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| "{}".to_owned())
}
