//! What the supervisor's one thread waits for: descriptors under tokens, level-triggered.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::name::{InstanceIndex, SessionNumber};

/// Descriptors that are told ready by one wait, at most.
const BATCH: usize = 64;

/// What a ready descriptor belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    /// The socket that clients connect to.
    Listener,
    /// Signals.
    Signals,
    /// The guardian's pidfd: it has ended.
    Guardian,
    /// A client, by the number of its connection.
    Connection(u64),
    /// A worker's socket, by the worker's number.
    Worker(u64),
    /// An instance's notice of kills at its memory limit.
    OutOfMemory(SessionNumber, InstanceIndex),
}

impl Token {
    const SHIFT: u32 = 56;

    fn pack(self) -> u64 {
        match self {
            Self::Listener => 0,
            Self::Signals => 1,
            Self::Guardian => 2,
            Self::Connection(number) => (3 << Self::SHIFT) | number,
            Self::Worker(number) => (4 << Self::SHIFT) | number,
            Self::OutOfMemory(session, instance) => {
                (5 << Self::SHIFT) | (u64::from(session.get()) << 8) | u64::from(instance.get())
            }
        }
    }

    fn unpack(number: u64) -> Option<Self> {
        let rest = number & ((1 << Self::SHIFT) - 1);
        Some(match number >> Self::SHIFT {
            0 => match rest {
                0 => Self::Listener,
                1 => Self::Signals,
                _ => Self::Guardian,
            },
            3 => Self::Connection(rest),
            4 => Self::Worker(rest),
            _ => {
                let session = SessionNumber::try_from(u32::try_from(rest >> 8).ok()?).ok()?;
                Self::OutOfMemory(session, InstanceIndex::try_from(u8::try_from(rest & 0xff).ok()?).ok()?)
            }
        })
    }
}

/// A ready descriptor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready {
    /// Whose it is.
    pub(crate) token: Token,
    /// It may be written to.
    pub(crate) writable: bool,
    /// It may be read from, or the other end is gone.
    pub(crate) readable: bool,
    /// The other end is gone; what it sent before may still be read.
    pub(crate) hung_up: bool,
}

/// The epoll descriptor. Closing the last duplicate of a descriptor takes it out; others are removed by hand.
#[derive(Debug)]
pub(crate) struct Poller(Epoll);

impl Poller {
    /// An empty one.
    pub(crate) fn new() -> Result<Self, Errno> {
        Ok(Self(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?))
    }

    /// Waits for `descriptor` to be readable.
    pub(crate) fn add(&self, descriptor: impl AsFd, token: Token) -> Result<(), Errno> {
        self.0.add(descriptor, EpollEvent::new(EpollFlags::EPOLLIN, token.pack()))
    }

    /// Waits for an exceptional condition, as files of control groups tell their changes.
    pub(crate) fn add_urgent(&self, descriptor: impl AsFd, token: Token) -> Result<(), Errno> {
        self.0.add(descriptor, EpollEvent::new(EpollFlags::EPOLLPRI, token.pack()))
    }

    /// Changes what is waited for.
    pub(crate) fn change(
        &self,
        descriptor: BorrowedFd<'_>,
        token: Token,
        read: bool,
        write: bool,
    ) -> Result<(), Errno> {
        let mut flags = EpollFlags::empty();
        flags.set(EpollFlags::EPOLLIN, read);
        flags.set(EpollFlags::EPOLLOUT, write);
        self.0.modify(descriptor, &mut EpollEvent::new(flags, token.pack()))
    }

    /// Waits no longer for `descriptor`.
    pub(crate) fn remove(&self, descriptor: impl AsFd) -> Result<(), Errno> {
        self.0.delete(descriptor)
    }

    /// Waits until something is ready or `timeout` is over.
    pub(crate) fn wait(&self, timeout: Duration) -> Result<Vec<Ready>, Errno> {
        // Rounded up, so that what is due after the wait is really due.
        let milliseconds = u16::try_from(timeout.as_millis() + 1).unwrap_or(u16::MAX);
        let mut events = [EpollEvent::empty(); BATCH];
        let count = match self.0.wait(&mut events, EpollTimeout::from(milliseconds)) {
            Err(Errno::EINTR) => 0,
            counted => counted?,
        };
        let ready = |event: &EpollEvent| {
            let flags = event.events();
            let writable = flags.contains(EpollFlags::EPOLLOUT);
            let readable = !(flags - EpollFlags::EPOLLOUT).is_empty();
            let hung_up = flags.intersects(EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR);
            Some(Ready { token: Token::unpack(event.data())?, writable, readable, hung_up })
        };
        Ok(events.get(..count).unwrap_or_default().iter().filter_map(ready).collect())
    }
}
