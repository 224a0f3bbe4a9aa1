//! Between the terminal of the caller and that of the container, and from the caller's signals to the container's.

use std::io::{stdin, stdout};
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc::{SIGCHLD, SIGPIPE, SIGWINCH};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::{isatty, read, write};

use super::error::Error;
use crate::container::Started;
use crate::sys::{pidfd, terminal, wait};

/// Bytes that are carried at a time.
const CHUNK: usize = 16 * 1024;

/// The caller's terminal in raw mode; as it was again when this is dropped.
#[derive(Debug)]
pub(super) struct HostTerminal(Option<Termios>);

impl HostTerminal {
    /// Without a terminal on standard input there is nothing to be changed.
    pub(super) fn take(ptmx: BorrowedFd<'_>) -> Result<Self, Error> {
        let failed = |errno: Errno| Error::said(format!("set the terminal: {}", errno.desc().to_lowercase()));
        if !isatty(stdin()).unwrap_or(false) {
            return Ok(Self(None));
        }
        copy_size(ptmx);
        let before = tcgetattr(stdin()).map_err(failed)?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(stdin(), SetArg::TCSANOW, &raw).map_err(failed)?;
        Ok(Self(Some(before)))
    }
}

impl Drop for HostTerminal {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // A terminal that has gone needs no repair.
            let _gone = tcsetattr(stdin(), SetArg::TCSANOW, before);
        }
    }
}

fn copy_size(ptmx: BorrowedFd<'_>) {
    if let Ok((rows, cols)) = terminal::size(stdin().as_fd()) {
        // A size that cannot be set is no reason to end a program.
        let _unsized = terminal::set_size(ptmx, rows, cols);
    }
}

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Signals,
    Input,
    Terminal,
}

struct Relay<'a> {
    started: &'a Started,
    signals: SignalFd,
    ptmx: Option<BorrowedFd<'a>>,
    /// Whether the caller's input goes on.
    has_input: bool,
    /// Input that the terminal has not taken yet.
    pending: Vec<u8>,
}

/// Passes everything on until the first process has ended. All signals must be blocked.
pub(super) fn until_end(started: &Started, ptmx: Option<BorrowedFd<'_>>) -> Result<i32, Error> {
    let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
    let signals = SignalFd::with_flags(&SigSet::all(), flags).map_err(failed("watch signals"))?;
    if let Some(ptmx) = ptmx {
        fcntl(ptmx, FcntlArg::F_SETFL(OFlag::O_RDWR | OFlag::O_NONBLOCK))
            .map_err(failed("watch the terminal"))?;
    }
    let mut relay = Relay { started, signals, ptmx, has_input: ptmx.is_some(), pending: Vec::new() };
    // Its end may have come before the signals were watched.
    let mut status = relay.reap()?;
    while status.is_none() {
        status = relay.turn()?;
    }
    relay.drain();
    Ok(status.unwrap_or_default())
}

fn failed(what: &'static str) -> impl Fn(Errno) -> Error {
    move |errno| Error::said(format!("{what}: {}", errno.desc().to_lowercase()))
}

impl Relay<'_> {
    fn turn(&mut self) -> Result<Option<i32>, Error> {
        let mut status = None;
        for source in self.wait()? {
            match source {
                Source::Signals => status = status.or(self.take_signals()?),
                Source::Input => self.take_input(),
                Source::Terminal => self.serve_terminal(),
            }
        }
        Ok(status)
    }

    fn wait(&self) -> Result<Vec<Source>, Error> {
        let input = stdin();
        let mut sources = vec![(Source::Signals, self.signals.as_fd(), PollFlags::POLLIN)];
        if self.has_input && self.pending.is_empty() {
            sources.push((Source::Input, input.as_fd(), PollFlags::POLLIN));
        }
        if let Some(ptmx) = self.ptmx {
            let output = if self.pending.is_empty() { PollFlags::empty() } else { PollFlags::POLLOUT };
            sources.push((Source::Terminal, ptmx, PollFlags::POLLIN | output));
        }
        let mut watched: Vec<PollFd<'_>> =
            sources.iter().map(|(_, fd, flags)| PollFd::new(*fd, *flags)).collect();
        match poll(&mut watched, PollTimeout::NONE) {
            Err(Errno::EINTR) => return Ok(Vec::new()),
            result => result.map_err(failed("wait"))?,
        };
        let ready = sources.iter().zip(&watched).filter(|(_, watched)| watched.any().unwrap_or(false));
        Ok(ready.map(|((source, ..), _)| *source).collect())
    }

    fn take_signals(&mut self) -> Result<Option<i32>, Error> {
        let mut status = None;
        while let Ok(Some(signal)) = self.signals.read_signal() {
            let number = i32::try_from(signal.ssi_signo).unwrap_or(0);
            match (number, self.ptmx) {
                (SIGCHLD, _) => status = status.or(self.reap()?),
                (SIGWINCH, Some(ptmx)) => copy_size(ptmx),
                (SIGPIPE, _) => {}
                // One that has ended takes no more signals.
                _ => drop(pidfd::send_number(self.started.pidfd.as_fd(), number)),
            }
        }
        Ok(status)
    }

    /// Waits for every child that has ended, orphans of the container among them.
    fn reap(&self) -> Result<Option<i32>, Error> {
        let mut status = None;
        while let Some(ended) = wait::any_ended().map_err(failed("wait for children"))? {
            if ended.pid == self.started.pid.as_raw() {
                status = ended.code.or(ended.signal.map(|signal| 128 + signal));
            }
        }
        Ok(status)
    }

    fn take_input(&mut self) {
        let mut chunk = [0; CHUNK];
        match read(stdin(), &mut chunk) {
            Ok(0) => self.has_input = false,
            Ok(count) => self.pending.extend_from_slice(chunk.get(..count).unwrap_or_default()),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(_) => self.has_input = false,
        }
        self.push();
    }

    fn push(&mut self) {
        // A terminal takes an empty write for a zero byte.
        let Some(ptmx) = self.ptmx.filter(|_| !self.pending.is_empty()) else { return };
        match write(ptmx, &self.pending) {
            Ok(count) => drop(self.pending.drain(..count)),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(_) => self.pending.clear(),
        }
    }

    fn serve_terminal(&mut self) {
        if !self.pending.is_empty() {
            self.push();
        }
        if !self.pull() {
            self.ptmx = None;
            self.has_input = false;
        }
    }

    /// Carries one chunk of output; false when no more will come.
    fn pull(&self) -> bool {
        let Some(ptmx) = self.ptmx else { return false };
        let mut chunk = [0; CHUNK];
        match read(ptmx, &mut chunk) {
            Ok(0) => false,
            Ok(count) => show(chunk.get(..count).unwrap_or_default()),
            Err(Errno::EINTR | Errno::EAGAIN) => true,
            // Nobody holds the other end any more.
            Err(_) => false,
        }
    }

    /// What was written before the end is still to be shown.
    fn drain(&self) {
        let Some(ptmx) = self.ptmx else { return };
        while matches!(poll(&mut [PollFd::new(ptmx, PollFlags::POLLIN)], PollTimeout::ZERO), Ok(1))
            && self.pull()
        {}
    }
}

/// Writes all; false when nobody reads.
fn show(mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        match write(stdout(), bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => {
                // Somebody has made our output non-blocking.
                let _woken =
                    poll(&mut [PollFd::new(stdout().as_fd(), PollFlags::POLLOUT)], PollTimeout::NONE);
            }
            Err(_) => return false,
        }
    }
    true
}
