//! Processes by descriptor.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::Result;
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

/// A descriptor of the process that has this id now. Free of races only for a child that was not yet waited for.
///
/// # Errors
/// What `pidfd_open` gives.
pub fn open(pid: Pid) -> Result<OwnedFd> {
    // SAFETY: the call touches no memory.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    let fd = RawFd::try_from(Errno::result(fd)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel just returned this descriptor as a new one, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sends a signal.
///
/// # Errors
/// What `pidfd_send_signal` gives; `ESRCH` when the process has ended.
pub fn send_signal(process: BorrowedFd<'_>, signal: Signal) -> Result<()> {
    let information = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null siginfo asks the kernel to fill in that of kill(2); no memory is read.
    let result = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal as libc::c_int, information, 0)
    };
    Errno::result(result).map(drop)
}

/// A copy of another process's descriptor. Needs the rights of a debugger over it (pidfd_getfd(2)): `EBADF` when there is none of that number.
///
/// # Errors
/// What `pidfd_getfd` gives.
pub fn copy_descriptor(process: BorrowedFd<'_>, number: RawFd) -> Result<OwnedFd> {
    // SAFETY: the call takes integers by value.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), number, 0) };
    let fd = RawFd::try_from(Errno::result(fd)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel just returned this descriptor as a new one, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sends a signal by its number, real-time signals included.
///
/// # Errors
/// As [`send_signal`].
pub fn send_number(process: BorrowedFd<'_>, signal: libc::c_int) -> Result<()> {
    let information = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null siginfo asks the kernel to fill in that of kill(2); no memory is read.
    let result =
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal, information, 0) };
    Errno::result(result).map(drop)
}
