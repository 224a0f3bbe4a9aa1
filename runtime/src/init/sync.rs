//! How a worker and the processes that it clones agree.
//!
//! ```text
//! worker (host root)              entrance (short-lived)               init or program
//!   | clone, on v2 into the cgroup --> |
//!   |                                  | enter namespaces
//!   |                                  | clone, as a child of the worker --> |
//!   | <------------------------ Pid -- | exits                               | steps ...
//!   | v1: write cgroup.procs                                                 | ...
//!   | Go -----------------------------------------------------------------> | waits for it: in its cgroup now
//!   | <-------------------------------------------- Ready + descriptors --- | (programs with a terminal or pipes)
//!   |                                                                        | last steps ...
//!   | <------------ Failed {step, errno, message}, or closed by the exec --- | exec
//! ```
//!
//! Either side that dies closes the socket, which the other one takes for a failure: nobody waits for ever.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::Pid;

use crate::failure::StepError;
use crate::sys::packet;

const PID: u8 = b'p';
const READY: u8 = b'r';
const FAILED: u8 = b'f';
const GO: u8 = b'g';
/// Longest report in bytes; messages are a line.
const MAX_REPORT_BYTES: usize = 4096;

/// What a child tells.
#[derive(Debug)]
pub enum Report {
    /// The process that was cloned, by its id on the host.
    Pid(Pid),
    /// It is set up but for exec; these are its descriptors.
    Ready(Vec<OwnedFd>),
    /// A step failed.
    Failed(StepError),
    /// The socket is closed: exec has succeeded, or the process died.
    Closed,
}

/// The worker's end.
#[derive(Debug)]
pub struct ParentEnd(OwnedFd);

/// The end of the processes that it clones; closed by exec.
#[derive(Debug)]
pub struct ChildEnd(OwnedFd);

/// Two connected ends.
///
/// # Errors
/// What `socketpair` gives.
pub fn pair() -> Result<(ParentEnd, ChildEnd), Errno> {
    let (parent, child) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
    Ok((ParentEnd(parent), ChildEnd(child)))
}

impl ParentEnd {
    /// Waits for the next report, at most until `deadline`.
    ///
    /// # Errors
    /// `ETIMEDOUT` at the deadline; otherwise what the socket gives.
    pub fn receive(&self, deadline: Instant) -> Result<Report, Errno> {
        wait_readable(self.0.as_fd(), Some(deadline))?;
        let mut buffer = [0; MAX_REPORT_BYTES];
        let received = packet::receive(self.0.as_fd(), &mut buffer).map_err(errno)?;
        let bytes = buffer.get(..received.length).unwrap_or_default();
        match bytes.split_first() {
            None => Ok(Report::Closed),
            Some((&READY, _)) => Ok(Report::Ready(received.descriptors)),
            Some((&PID, number)) => {
                let number = <[u8; 4]>::try_from(number).map_err(|_| Errno::EPROTO)?;
                Ok(Report::Pid(Pid::from_raw(i32::from_ne_bytes(number))))
            }
            Some((&FAILED, error)) => {
                serde_json::from_slice(error).map(Report::Failed).map_err(|_| Errno::EPROTO)
            }
            Some(_) => Err(Errno::EPROTO),
        }
    }

    /// Lets the child go on.
    ///
    /// # Errors
    /// What the socket gives.
    pub fn go(&self) -> Result<(), Errno> {
        packet::send(self.0.as_fd(), &[GO], &[]).map_err(errno)
    }
}

impl ChildEnd {
    /// Tells the id of the process that was cloned.
    ///
    /// # Errors
    /// What the socket gives.
    pub fn send_pid(&self, pid: Pid) -> Result<(), Errno> {
        let [a, b, c, d] = pid.as_raw().to_ne_bytes();
        packet::send(self.0.as_fd(), &[PID, a, b, c, d], &[]).map_err(errno)
    }

    /// Tells that only the last steps are left, and hands descriptors over.
    ///
    /// # Errors
    /// What the socket gives.
    pub fn send_ready(&self, descriptors: &[BorrowedFd<'_>]) -> Result<(), Errno> {
        packet::send(self.0.as_fd(), &[READY], descriptors).map_err(errno)
    }

    /// Tells that a step failed.
    ///
    /// # Errors
    /// What the socket gives.
    pub fn send_failure(&self, error: &StepError) -> Result<(), Errno> {
        let mut bytes = vec![FAILED];
        serde_json::to_writer(&mut bytes, error).map_err(|_| Errno::EPROTO)?;
        packet::send(self.0.as_fd(), &bytes, &[]).map_err(errno)
    }

    /// Tells that a step failed, where a go may be on its way: it is waited for, since a socket that is closed with
    /// something unread in it takes the report away from the worker.
    ///
    /// # Errors
    /// What the socket gives; `EPIPE` also when the worker has closed it, having read the report.
    pub fn send_last_failure(&self, error: &StepError) -> Result<(), Errno> {
        self.send_failure(error)?;
        self.wait_for_go()
    }

    /// Waits until the worker says go.
    ///
    /// # Errors
    /// `EPIPE` when the worker died or gave up; otherwise what the socket gives.
    pub fn wait_for_go(&self) -> Result<(), Errno> {
        wait_readable(self.0.as_fd(), None)?;
        let mut buffer = [0; 1];
        let received = packet::receive(self.0.as_fd(), &mut buffer).map_err(errno)?;
        if received.length == 1 && buffer == [GO] { Ok(()) } else { Err(Errno::EPIPE) }
    }
}

impl AsFd for ChildEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn wait_readable(socket: BorrowedFd<'_>, deadline: Option<Instant>) -> Result<(), Errno> {
    loop {
        let timeout = deadline.map_or(PollTimeout::NONE, |deadline| {
            let left = deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut [PollFd::new(socket, PollFlags::POLLIN)], timeout) {
            Ok(0) if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                return Err(Errno::ETIMEDOUT);
            }
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(errno),
        }
    }
}

fn errno(error: io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32))
}
