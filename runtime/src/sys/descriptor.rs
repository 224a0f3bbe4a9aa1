//! Ownership of descriptors that arrive as numbers.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Owns a descriptor that a kernel call has just returned to the caller.
pub fn own(number: RawFd) -> OwnedFd {
    // SAFETY: the callers pass what the kernel has just opened for them, so nobody else owns it.
    unsafe { OwnedFd::from_raw_fd(number) }
}
