//! Console sockets: where the terminal of a detached container goes.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use super::error::Error;
use crate::sys::packet;

/// Connects to the socket of whoever waits for the terminal.
pub(super) fn connect(path: &Path) -> Result<OwnedFd, Error> {
    UnixStream::connect(path).map(OwnedFd::from).map_err(|error| {
        Error::said(format!("dial unix {}: connect: {}", path.display(), super::error::plain(&error)))
    })
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
