//! Extended attributes by descriptor.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::Result;
use nix::errno::Errno;

/// Sets an attribute of an open file.
///
/// # Errors
/// What `fsetxattr` gives.
pub fn set(file: BorrowedFd<'_>, name: &CStr, value: &[u8]) -> Result<()> {
    // SAFETY: `name` is a live C string, and the pointer and the length are those of one live slice.
    let result =
        unsafe { libc::fsetxattr(file.as_raw_fd(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    Errno::result(result).map(drop)
}

/// Reads an attribute of an open file, up to the length of `into`; returns its length.
///
/// # Errors
/// What `fgetxattr` gives; `ENODATA` when the file has no such attribute.
pub fn get(file: BorrowedFd<'_>, name: &CStr, into: &mut [u8]) -> Result<usize> {
    // SAFETY: `name` is a live C string, and the pointer and the length are those of one live, exclusive slice.
    let result =
        unsafe { libc::fgetxattr(file.as_raw_fd(), name.as_ptr(), into.as_mut_ptr().cast(), into.len()) };
    Errno::result(result).map(|length| length.unsigned_abs())
}

/// Reads the names of an open file's attributes, each with a zero behind it, up to the length of `into`; returns their
/// length. With an empty `into` only the length is told.
///
/// # Errors
/// What `flistxattr` gives.
pub fn list(file: BorrowedFd<'_>, into: &mut [u8]) -> Result<usize> {
    // SAFETY: the pointer and the length are those of one live, exclusive slice.
    let result = unsafe { libc::flistxattr(file.as_raw_fd(), into.as_mut_ptr().cast(), into.len()) };
    Errno::result(result).map(|length| length.unsigned_abs())
}
