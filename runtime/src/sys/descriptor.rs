//! Ownership of descriptors that arrive as numbers.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Owns a descriptor that a kernel call has just returned to the caller.
pub fn own(number: RawFd) -> OwnedFd {
    // SAFETY: the callers pass what the kernel has just opened for them, so nobody else owns it.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// A close-on-exec duplicate of what a foreign library shows only as a number.
///
/// # Errors
/// `EBADF` when the number is not open, `EMFILE` when no more may be.
pub fn duplicate(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_DUPFD_CLOEXEC touches no memory of the caller and changes nothing about `number`, open or not.
    let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 0) };
    if copy < 0 { Err(io::Error::last_os_error()) } else { Ok(own(copy)) }
}
