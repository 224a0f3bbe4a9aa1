//! Console sockets: where the terminal of a detached container goes.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use super::error::Error;
use crate::sys::packet;

/// How long whoever waits for the terminal may still be at making the socket: callers start both at the same time, and a
/// start takes less time than theirs.
const GRACE: Duration = Duration::from_millis(500);
/// Between two looks for the socket.
const LOOK: Duration = Duration::from_millis(1);

/// Connects to the socket of whoever waits for the terminal.
pub(super) fn connect(path: &Path) -> Result<OwnedFd, Error> {
    let until = Instant::now() + GRACE;
    loop {
        match UnixStream::connect(path) {
            Ok(socket) => return Ok(socket.into()),
            Err(error) if is_early(&error) && Instant::now() < until => std::thread::sleep(LOOK),
            Err(error) => {
                let (path, cause) = (path.display(), super::error::plain(&error));
                return Err(Error::said(format!("dial unix {path}: connect: {cause}")));
            }
        }
    }
}

/// Not there yet, or not listening yet.
fn is_early(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused)
}

/// A socket pair, for a terminal that stays with this process: ours, then the one that is given away.
pub(super) fn pair() -> Result<(OwnedFd, OwnedFd), Error> {
    socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_CLOEXEC)
        .map_err(|errno| Error::said(format!("make a socket pair: {}", errno.desc().to_lowercase())))
}

/// Takes the terminal that was sent already.
pub(super) fn take(socket: &OwnedFd) -> Result<OwnedFd, Error> {
    let mut name = [0; 64];
    let received = packet::receive(socket.as_fd(), &mut name);
    let mut received = received.map_err(|error| Error::said(format!("receive the terminal: {error}")))?;
    received.descriptors.pop().ok_or_else(|| Error::said("receive the terminal: no descriptor came"))
}
