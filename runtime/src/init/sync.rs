//! How a worker and the processes that it clones agree.
//!
//! ```text
//! worker (host root)              entrance (short-lived)               init or program
//!   | clone, on v2 into the cgroup --> | (no entrance where no namespace is joined)
//!   |                                  | enter namespaces
//!   | <-- Maps, answered by a Go ----- | (where it has made a user namespace)
//!   |                                  | clone, as a child of the worker --> |
//!   | <------------------------ Pid -- | exits                               | steps ...
//!   | Go -----------------------------------------------------------------> | v1: moves itself into its cgroup
//!   | <------ Hooks, Listener: each is answered by another Go -------------- | (where the plan has them)
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
const MAPS: u8 = b'm';
const HOOKS: u8 = b'h';
const LISTENER: u8 = b'l';
const READY: u8 = b'r';
const FAILED: u8 = b'f';
const GO: u8 = b'g';
/// Longest report in bytes; a failed hook's message repeats what it said.
const MAX_REPORT_BYTES: usize = 16 * 1024;
/// Longest message of a failure, which JSON may make four times as long.
const MAX_MESSAGE_CHARS: usize = 4000;

/// What a child tells.
#[derive(Debug)]
pub enum Report {
    /// The process that was cloned, by its id on the host.
    Pid(Pid),
    /// The entrance has made a user namespace, waits for its id maps, and then for a go.
    Maps,
    /// The mounts are made; it waits for the hooks of the runtime's namespaces, and then for a go.
    Hooks,
    /// The notifications of its system call filter can be had under this number of its descriptors; it waits for a go.
    Listener(i32),
    /// It is set up but for exec; these are its descriptors.
    Ready(Vec<OwnedFd>),
    /// A step failed.
    Failed(StepError),
    /// The socket is closed: exec has succeeded, or the process died.
    Closed,
}

impl Report {
    /// What a packet says.
    ///
    /// # Errors
    /// `EPROTO` when it says nothing that a child says.
    pub fn read(packet: &[u8], descriptors: Vec<OwnedFd>) -> Result<Self, Errno> {
        match packet.split_first() {
            None => Ok(Self::Closed),
            Some((&READY, _)) => Ok(Self::Ready(descriptors)),
            Some((&MAPS, _)) => Ok(Self::Maps),
            Some((&HOOKS, _)) => Ok(Self::Hooks),
            Some((&PID, number)) => read_number(number).map(Pid::from_raw).map(Self::Pid),
            Some((&LISTENER, number)) => read_number(number).map(Self::Listener),
            Some((&FAILED, error)) => {
                serde_json::from_slice(error).map(Self::Failed).map_err(|_| Errno::EPROTO)
            }
            Some(_) => Err(Errno::EPROTO),
        }
    }
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
        Report::read(buffer.get(..received.length).unwrap_or_default(), received.descriptors)
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

    /// Asks for the id maps of the user namespace that this process has made, and waits for them.
    ///
    /// # Errors
    /// As [`ChildEnd::wait_for_go`].
    pub fn ask_for_maps(&self) -> Result<(), Errno> {
        self.write(&[MAPS])?;
        self.wait_for_go()
    }

    /// Asks for the hooks of the runtime's namespaces, and waits for their end.
    ///
    /// # Errors
    /// As [`ChildEnd::wait_for_go`].
    pub fn ask_for_hooks(&self) -> Result<(), Errno> {
        self.write(&[HOOKS])?;
        self.wait_for_go()
    }

    /// Tells under which number the notifications of the system call filter can be taken, and waits until they are. Needs
    /// only `write` and `read`, since the filter is in force.
    ///
    /// # Errors
    /// As [`ChildEnd::wait_for_go`].
    pub fn hand_listener_over(&self, listener: BorrowedFd<'_>) -> Result<(), Errno> {
        let [a, b, c, d] = std::os::fd::AsRawFd::as_raw_fd(&listener).to_ne_bytes();
        self.write(&[LISTENER, a, b, c, d])?;
        self.wait_for_go()
    }

    fn write(&self, bytes: &[u8]) -> Result<(), Errno> {
        nix::unistd::write(&self.0, bytes).map(drop)
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
        let error =
            StepError { message: error.message.chars().take(MAX_MESSAGE_CHARS).collect(), ..error.clone() };
        serde_json::to_writer(&mut bytes, &error).map_err(|_| Errno::EPROTO)?;
        self.write(&bytes)
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
        let mut buffer = [0; 1];
        loop {
            match nix::unistd::read(&self.0, &mut buffer) {
                Err(Errno::EINTR) => {}
                result => return if result? == 1 && buffer == [GO] { Ok(()) } else { Err(Errno::EPIPE) },
            }
        }
    }
}

impl AsFd for ChildEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn read_number(bytes: &[u8]) -> Result<i32, Errno> {
    <[u8; 4]>::try_from(bytes).map(i32::from_ne_bytes).map_err(|_| Errno::EPROTO)
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
