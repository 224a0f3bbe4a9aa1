//! Closing the descriptors of this process as a whole.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::Result;
use nix::errno::Errno;

const CLOSE_RANGE_CLOEXEC: u32 = 1 << 2;

/// Closes every descriptor from 3 on that is not in `keep`. For a process that was just forked and owns none of them:
/// an `OwnedFd` that lives on must be in `keep`.
///
/// # Errors
/// What `close_range` gives.
pub fn close_all_but(keep: &[BorrowedFd<'_>]) -> Result<()> {
    close_from(3, keep)
}

/// As [`close_all_but`], from `first` on.
///
/// # Errors
/// What `close_range` gives.
pub fn close_from(first: u32, keep: &[BorrowedFd<'_>]) -> Result<()> {
    let mut kept: Vec<u32> = keep.iter().map(|fd| fd.as_raw_fd().cast_unsigned()).collect();
    kept.sort_unstable();
    let mut first = first;
    for fd in kept.into_iter() {
        if fd < first {
            continue;
        }
        if fd > first {
            close_range(first, fd - 1, 0)?;
        }
        first = fd + 1;
    }
    close_range(first, u32::MAX, 0)
}

/// Marks every descriptor from 3 on to be closed by exec.
///
/// # Errors
/// What `close_range` gives.
pub fn close_all_on_exec() -> Result<()> {
    close_on_exec_from(3)
}

/// As [`close_all_on_exec`], from `first` on.
///
/// # Errors
/// What `close_range` gives.
pub fn close_on_exec_from(first: u32) -> Result<()> {
    close_range(first, u32::MAX, CLOSE_RANGE_CLOEXEC)
}

fn close_range(first: u32, last: u32, flags: u32) -> Result<()> {
    // SAFETY: the call touches no memory; that no live owner's descriptor is closed is the contract of
    // `close_all_but`, and with CLOSE_RANGE_CLOEXEC none is closed.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
    Errno::result(result).map(drop)
}
