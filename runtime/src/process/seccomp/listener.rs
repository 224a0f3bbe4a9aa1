//! Handing the listener of a filter to the agent that answers for it: one message, as the OCI runtime specification
//! describes it under "Container Process State".

use std::io::{IoSlice, Write};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use oci_spec::runtime::ContainerProcessState;

use crate::failure::Failure;

/// How long an agent is waited for, and between two looks.
const PATIENCE: Duration = Duration::from_millis(300);
const LOOK: Duration = Duration::from_millis(5);

/// Connects to the agent's stream socket at `path` and sends the state as JSON, with the listener beside its first
/// byte, then closes the connection. `state.fds` has to be [`oci_spec::runtime::SECCOMP_FD_NAME`] alone. Waits for an
/// agent that does not take what it is sent.
///
/// # Errors
/// When nobody listens there, or the agent closes before it has taken everything.
pub fn send(path: &Path, state: &ContainerProcessState, listener: BorrowedFd<'_>) -> Result<(), Failure> {
    let failed = |operation: &str, cause: std::io::Error| Failure {
        message: format!("{operation} seccomp agent `{}`: {cause}", path.display()),
        errno: cause.raw_os_error().map_or(Errno::EIO, Errno::from_raw),
    };
    let message = serde_json::to_vec(state).map_err(|error| failed("write state for", error.into()))?;
    let mut agent = connect(path).map_err(|error| failed("failed to connect with", error))?;
    transfer(&mut agent, &message, listener).map_err(|error| failed("send listener to", error))
}

/// An agent that is started together with the container may need a moment.
fn connect(path: &Path) -> std::io::Result<UnixStream> {
    let until = Instant::now() + PATIENCE;
    loop {
        match UnixStream::connect(path) {
            Err(error) if is_absent(&error) && Instant::now() < until => std::thread::sleep(LOOK),
            result => return result,
        }
    }
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused)
}

fn transfer(agent: &mut UnixStream, message: &[u8], listener: BorrowedFd<'_>) -> std::io::Result<()> {
    let descriptors = [listener.as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&descriptors)];
    let part = [IoSlice::new(message)];
    let sent = sendmsg::<()>(agent.as_raw_fd(), &part, &rights, MsgFlags::MSG_NOSIGNAL, None)?;
    // A long one may go in parts; the descriptor was with the first.
    agent.write_all(message.get(sent..).unwrap_or_default())
}
