//! Network links of the current network namespace, as far as an ioctl serves.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::Result;
use nix::errno::Errno;

/// Brings the loopback link up. `socket` is any socket of the network namespace meant.
///
/// # Errors
/// What the ioctls give.
pub fn bring_loopback_up(socket: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: all bytes zero is a valid `ifreq`: integers, and a union of plain data.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: `request` is a live `ifreq` with a name that ends in zero, as SIOCSIFFLAGS wants.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    Errno::result(result).map(drop)
}
