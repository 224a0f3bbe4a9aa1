//! What tells a file from another one that got its number later: number and time of birth; with
//! its permissions, which tell that somebody has changed it since.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::Result;
use nix::errno::Errno;
use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    inode: u64,
    mode: u16,
    /// Seconds and nanoseconds; zero where the file system does not know.
    born: (i64, u32),
}

/// When a file's content, owner, attributes or names changed last: seconds and nanoseconds.
pub type Changed = (i64, u32);

/// The identity of a name in a folder, and when it changed last; a link is not followed.
///
/// # Errors
/// What `statx` gives.
pub fn of(folder: BorrowedFd<'_>, name: &CStr) -> Result<(Identity, Changed)> {
    let mut status = std::mem::MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: `name` is a live C string, and the kernel fills one structure, which is live.
    let result = unsafe {
        libc::statx(
            folder.as_raw_fd(),
            name.as_ptr(),
            libc::AT_SYMLINK_NOFOLLOW,
            libc::STATX_INO | libc::STATX_MODE | libc::STATX_TYPE | libc::STATX_BTIME | libc::STATX_CTIME,
            status.as_mut_ptr(),
        )
    };
    Errno::result(result)?;
    // SAFETY: all zeroes is a value of this structure of integers, and the kernel has filled it.
    let status = unsafe { status.assume_init() };
    let born = (status.stx_btime.tv_sec, status.stx_btime.tv_nsec);
    let changed = (status.stx_ctime.tv_sec, status.stx_ctime.tv_nsec);
    Ok((Identity { inode: status.stx_ino, mode: status.stx_mode, born }, changed))
}
