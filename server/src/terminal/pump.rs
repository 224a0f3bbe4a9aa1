//! The pump of a terminal: the one task that reads its PTY.
//!
//! Each turn writes waiting input first, then gathers output until EAGAIN, 64 KiB or the driver's credit, and then lets
//! other tasks run, so that a flood costs the others one turn at most.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};
use tokio::io::{Interest, Ready};

use super::{Exit, Terminal};
use crate::config::limits;

/// Output of an ended program whose terminal is held open by another process is awaited so long.
const EXIT_GRACE: Duration = Duration::from_millis(200);
/// A PTY that nobody has open is looked at again so often, while its program lives.
const CLOSED_LOOK: Duration = Duration::from_millis(100);

thread_local! {
    /// One buffer per thread, not per terminal: it is used between two awaits only.
    static GATHERED: RefCell<Vec<u8>> = RefCell::new(vec![0; limits::OUTPUT_TURN_BYTES]);
}

/// What one turn found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// There may be more.
    More,
    /// All there was.
    Drained,
    /// The driver's credit is used up.
    NoCredit,
    /// Nobody has the terminal open.
    Closed,
}

/// Runs until the program has ended and its last output is in the ring.
pub async fn run(terminal: Arc<Terminal>) -> Exit {
    let Some(ptmx) = terminal.lock().ptmx.clone() else { return terminal.ended().await };
    let mut grace_until = None;
    let mut found = Found::More;
    loop {
        if terminal.lock().ended.is_some() && found != Found::More {
            let until = *grace_until.get_or_insert_with(|| Instant::now() + EXIT_GRACE);
            terminal.release_driver();
            if found == Found::Closed || Instant::now() >= until {
                return terminal.finish();
            }
        }
        let mut ready = terminal.wait(&ptmx, found, grace_until).await;
        found = terminal.turn(&ptmx);
        if let Some(guard) = &mut ready {
            terminal.note_exhausted(guard, found);
        }
    }
}

impl Terminal {
    /// One turn: input, then output.
    fn turn(&self, ptmx: &AsyncFd<OwnedFd>) -> Found {
        let mut state = self.lock();
        let was_full = state.input.is_full();
        // WouldBlock leaves the rest for the next turn; any other failure means that nobody will read it.
        if state.input.flush(ptmx.get_ref()).is_err_and(|e| e.kind() != io::ErrorKind::WouldBlock) {
            state.input.clear();
        }
        if was_full && !state.input.is_full() {
            self.room.notify_waiters();
        }
        let most = state.readable_bytes();
        if most == 0 {
            return Found::NoCredit;
        }
        let (gathered, found) = GATHERED.with_borrow_mut(|buffer| {
            let (count, found) = gather(ptmx.get_ref(), buffer.get_mut(..most).unwrap_or_default());
            match state.ring.append(buffer.get(..count).unwrap_or_default()) {
                Ok(()) => (count, found),
                Err(error) => {
                    tracing::error!(terminal = %self.id, %error, "append to a terminal's ring");
                    (0, Found::Closed)
                }
            }
        });
        if gathered > 0 {
            self.metrics.terminal_output.add(gathered as u64);
            self.status.send_modify(|status| status.head = state.ring.head());
        }
        found
    }

    /// Waits until there is reason for another turn. The readiness is taken before the turn, so that what comes during
    /// the turn counts for the next one.
    async fn wait<'a>(
        &self,
        ptmx: &'a AsyncFd<OwnedFd>,
        found: Found,
        grace_until: Option<Instant>,
    ) -> Option<AsyncFdReadyGuard<'a, OwnedFd>> {
        let until = match found {
            Found::More => {
                tokio::task::yield_now().await;
                return None;
            }
            Found::Drained => grace_until,
            Found::Closed => Some(Instant::now() + CLOSED_LOOK),
            Found::NoCredit => Some(self.driver_deadline()?),
        };
        tokio::select! {
            ready = wait_ready(ptmx, self.interest(found)) => ready,
            () = self.wake.notified() => None,
            () = sleep_until(until) => None,
        }
    }

    /// What is waited for: output unless it may not be read, and room for input where some waits.
    fn interest(&self, found: Found) -> Option<Interest> {
        let output = (found == Found::Drained).then_some(Interest::READABLE);
        let input = (!self.lock().input.is_empty() && found != Found::Closed).then_some(Interest::WRITABLE);
        match (output, input) {
            (Some(output), Some(input)) => Some(output | input),
            (one, other) => one.or(other),
        }
    }

    /// Notes which readiness the turn has used up.
    fn note_exhausted(&self, guard: &mut AsyncFdReadyGuard<'_, OwnedFd>, found: Found) {
        if found == Found::Drained {
            guard.clear_ready_matching(Ready::READABLE);
        }
        if !self.lock().input.is_empty() {
            guard.clear_ready_matching(Ready::WRITABLE);
        }
    }

    /// When the driver is given up; it is at once when that has passed.
    fn driver_deadline(&self) -> Option<Instant> {
        let held_since = *self.lock().driver.as_mut()?.held_since.get_or_insert_with(Instant::now);
        let give_up = held_since + limits::DRIVER_STALL;
        if Instant::now() >= give_up {
            self.detach_stalled();
            return None;
        }
        Some(give_up)
    }

    /// The driver acknowledged nothing for too long: it no longer holds anybody back, and its connection is closed.
    fn detach_stalled(&self) {
        let mut state = self.lock();
        let Some(driver) = state.driver else { return };
        self.set_driver(&mut state, None);
        self.status.send_modify(|status| status.stalled = Some(driver.viewer));
        self.metrics.viewers_stalled.add(1);
    }

    /// An ended program's last output waits for nobody: it fits in the ring.
    fn release_driver(&self) {
        let mut state = self.lock();
        let head = state.ring.head();
        if let Some(driver) = &mut state.driver {
            driver.acknowledged = head;
        }
    }

    /// Tells the exit, and hangs up what is left on the terminal.
    fn finish(&self) -> Exit {
        let mut state = self.lock();
        state.ptmx = None;
        state.input.clear();
        self.room.notify_waiters();
        let status = state.ended.unwrap_or(sandlot_runtime::supervisor::protocol::ExitStatus {
            code: None,
            signal: Some(nix::libc::SIGHUP),
        });
        let exit = Exit { status, offset: state.ring.head(), at: Instant::now() };
        self.status.send_modify(|seen| seen.exit = Some(exit));
        exit
    }
}

async fn wait_ready(
    ptmx: &AsyncFd<OwnedFd>,
    interest: Option<Interest>,
) -> Option<AsyncFdReadyGuard<'_, OwnedFd>> {
    match interest {
        Some(interest) => ptmx.ready(interest).await.ok(),
        None => std::future::pending().await,
    }
}

async fn sleep_until(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when.into()).await,
        None => std::future::pending().await,
    }
}

/// Reads until `buffer` is full or nothing is left.
fn gather(ptmx: &OwnedFd, buffer: &mut [u8]) -> (usize, Found) {
    let mut count = 0;
    while let Some(rest) = buffer.get_mut(count..).filter(|rest| !rest.is_empty()) {
        match nix::unistd::read(ptmx, rest) {
            Ok(read) if read > 0 => count += read,
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return (count, Found::Drained),
            // EIO: every other end is closed, and all that was written has been read.
            Ok(_) | Err(_) => return (count, Found::Closed),
        }
    }
    (count, Found::More)
}
