//! A terminal: a PTY with its output ring, seen by any number of viewers.
//!
//! ```text
//!           write at once, else queue            pread under credit
//! viewer ----------------------------> ptmx      ring ----------------> viewer (cursor, acknowledged)
//!                                       |         ^
//!                                       +- pump --+   gather until EAGAIN or 64 KiB
//! ```
//!
//! Memory: the ring (in the memfd), at most 1 MiB of input that the program does not read, and per viewer one frame.
//! Slow readers: the driver holds the PTY back for at most 10 s without an acknowledgement and is detached then; any
//! other viewer that falls behind the ring gets a snapshot. With no viewer everything drains into the ring.

pub mod input;
pub mod output;
pub mod pump;
pub mod viewer;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use sandlot_runtime::ring::Ring;
use sandlot_runtime::supervisor::protocol::{ExitStatus, Winsize};
use tokio::io::unix::AsyncFd;
use tokio::sync::{Notify, watch};

use self::input::InputQueue;
use crate::config::limits;
use crate::id::{InstanceName, TerminalId};
use crate::metrics::Metrics;
use crate::readiness;

/// Number of a viewer on its terminal; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ViewerId(u64);

/// How and where a terminal's output ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// How the program ended.
    pub status: ExitStatus,
    /// Offset after the last byte of its output.
    pub offset: u64,
    /// When it was told.
    pub at: Instant,
}

/// What viewers watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Offset after the newest byte.
    pub head: u64,
    /// Size of the PTY.
    pub size: Winsize,
    /// Who decides the size and holds the flow back.
    pub driver: Option<ViewerId>,
    /// The viewer that was detached last because it acknowledged nothing for too long.
    pub stalled: Option<ViewerId>,
    /// Set once, after the last byte is in the ring.
    pub exit: Option<Exit>,
}

/// One terminal.
#[derive(Debug)]
pub struct Terminal {
    id: TerminalId,
    instance: InstanceName,
    state: Mutex<State>,
    status: watch::Sender<Status>,
    /// Wakes the pump: credit came, input waits, or the program ended.
    wake: Notify,
    /// Wakes viewers whose input found the queue full.
    room: Notify,
    metrics: Arc<Metrics>,
}

/// Changed under the lock only, which is never held over an await.
#[derive(Debug)]
struct State {
    /// Dropped by the pump when the terminal has ended, so that the kernel hangs up what is left on it.
    ptmx: Option<Arc<AsyncFd<OwnedFd>>>,
    /// Written by the pump only.
    ring: Ring,
    /// Input that the PTY had no room for; filled by viewers, emptied by the pump.
    input: InputQueue,
    /// Who is attached, with the size of the window there.
    viewers: BTreeMap<ViewerId, Option<Winsize>>,
    /// Given out by [`Terminal::attach`].
    next_viewer: u64,
    /// Set by input and attach, cleared by detach and a stall.
    driver: Option<Driver>,
    /// The program has ended; its last output may still be in the PTY.
    ended: Option<ExitStatus>,
}

/// The driver's side of the flow control.
#[derive(Debug, Clone, Copy)]
struct Driver {
    viewer: ViewerId,
    acknowledged: u64,
    /// Since when its credit has been used up without an acknowledgement; set by the pump.
    held_since: Option<Instant>,
}

impl Terminal {
    /// A terminal over the descriptors that the backend gave. Its pump must be run for anything to happen.
    ///
    /// # Errors
    /// When the ptmx cannot be polled.
    pub fn new(
        id: TerminalId,
        instance: InstanceName,
        ptmx: OwnedFd,
        ring: Ring,
        size: Winsize,
        metrics: Arc<Metrics>,
    ) -> io::Result<Arc<Self>> {
        let flags = OFlag::from_bits_retain(fcntl(&ptmx, FcntlArg::F_GETFL)?);
        fcntl(&ptmx, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        let ptmx = Some(Arc::new(readiness::watch(ptmx)?));
        let status = Status { head: ring.head(), size, driver: None, stalled: None, exit: None };
        let state = State {
            ptmx,
            ring,
            input: InputQueue::default(),
            viewers: BTreeMap::new(),
            next_viewer: 1,
            driver: None,
            ended: None,
        };
        Ok(Arc::new(Self {
            id,
            instance,
            state: Mutex::new(state),
            status: watch::Sender::new(status),
            wake: Notify::new(),
            room: Notify::new(),
            metrics,
        }))
    }

    /// Its name in the session.
    pub fn id(&self) -> TerminalId {
        self.id
    }

    /// Where it runs.
    pub fn instance(&self) -> InstanceName {
        self.instance
    }

    /// What is to be seen of it now.
    pub fn status(&self) -> Status {
        *self.status.borrow()
    }

    /// Viewers attached now.
    pub fn viewer_count(&self) -> usize {
        self.lock().viewers.len()
    }

    /// The program has ended; the pump says so to the viewers after the last byte.
    pub fn program_ended(&self, status: ExitStatus) {
        self.lock().ended.get_or_insert(status);
        self.wake.notify_one();
    }

    /// Resolves once the last byte is in the ring and the exit is told.
    pub async fn ended(&self) -> Exit {
        let mut status = self.status.subscribe();
        loop {
            if let Some(exit) = status.borrow_and_update().exit {
                return exit;
            }
            // The sender lives in `self`, so this cannot fail.
            if status.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the size of the PTY where it differs.
    fn apply_size(&self, state: &State, size: Winsize) {
        if self.status.borrow().size == size {
            return;
        }
        let Some(ptmx) = &state.ptmx else { return };
        match sandlot_runtime::sys::terminal::set_size(
            std::os::fd::AsFd::as_fd(ptmx.get_ref()),
            size.rows,
            size.cols,
        ) {
            Ok(()) => self.status.send_modify(|status| status.size = size),
            Err(error) => tracing::debug!(terminal = %self.id, %error, "set the size of a terminal"),
        }
    }

    fn set_driver(&self, state: &mut State, driver: Option<Driver>) {
        state.driver = driver;
        let viewer = driver.map(|d| d.viewer);
        self.status.send_if_modified(|status| std::mem::replace(&mut status.driver, viewer) != viewer);
        self.wake.notify_one();
    }
}

impl State {
    /// Bytes that may be read from the PTY now: what the driver's credit leaves, or one turn.
    ///
    /// While the input queue is full nobody holds the PTY back: the program may be waiting for its output to be read
    /// before it reads its input, and the driver's acknowledgement stands behind the input in the socket.
    fn readable_bytes(&self) -> usize {
        let Some(driver) = self.driver.filter(|_| !self.input.is_full()) else {
            return limits::OUTPUT_TURN_BYTES;
        };
        let unacknowledged = self.ring.head().saturating_sub(driver.acknowledged);
        let credit = limits::VIEWER_WINDOW_BYTES.saturating_sub(unacknowledged);
        usize::try_from(credit).unwrap_or(usize::MAX).min(limits::OUTPUT_TURN_BYTES)
    }
}
