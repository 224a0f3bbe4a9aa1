//! The network of an instance: so far its own loopback, and nothing else.

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use crate::sys::link;

/// Brings the loopback link of the current network namespace up.
///
/// # Errors
/// What the kernel gives.
pub fn bring_loopback_up() -> Result<(), Errno> {
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    link::bring_loopback_up(socket.as_fd())
}
