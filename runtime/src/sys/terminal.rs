//! Terminal calls that `nix` has no safe form of.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::Result;
use nix::errno::Errno;

/// Allows the pts of this ptmx to be opened.
///
/// # Errors
/// What the ioctl gives.
pub fn unlock(ptmx: BorrowedFd<'_>) -> Result<()> {
    let locked: libc::c_int = 0;
    // SAFETY: TIOCSPTLCK reads one integer, which is live.
    let result = unsafe { libc::ioctl(ptmx.as_raw_fd(), libc::TIOCSPTLCK, &raw const locked) };
    Errno::result(result).map(drop)
}

/// Opens the pts of this ptmx without naming a path, so that nobody can put another file there.
///
/// # Errors
/// What the ioctl gives.
pub fn open_peer(ptmx: BorrowedFd<'_>) -> Result<OwnedFd> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: TIOCGPTPEER takes open flags by value.
    let result = unsafe { libc::ioctl(ptmx.as_raw_fd(), libc::TIOCGPTPEER, flags) };
    let fd: RawFd = Errno::result(result)?;
    // SAFETY: the kernel just returned this descriptor as a new one, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sets the size of a terminal through either end.
///
/// # Errors
/// What the ioctl gives.
pub fn set_size(terminal: BorrowedFd<'_>, rows: u16, cols: u16) -> Result<()> {
    let size = libc::winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCSWINSZ reads one `winsize`, which is live.
    let result = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
    Errno::result(result).map(drop)
}

/// Makes this the controlling terminal of the calling session leader.
///
/// # Errors
/// What the ioctl gives.
pub fn make_controlling(pts: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: TIOCSCTTY takes an integer by value; zero takes no terminal away from another session.
    let result = unsafe { libc::ioctl(pts.as_raw_fd(), libc::TIOCSCTTY, 0) };
    Errno::result(result).map(drop)
}

/// The number of the pts of this ptmx.
///
/// # Errors
/// What the ioctl gives.
pub fn number(ptmx: BorrowedFd<'_>) -> Result<u32> {
    let mut number: libc::c_uint = 0;
    // SAFETY: TIOCGPTN writes one integer, which is live.
    let result = unsafe { libc::ioctl(ptmx.as_raw_fd(), libc::TIOCGPTN, &raw mut number) };
    Errno::result(result).map(|_| number)
}

/// Rows and columns of a terminal.
///
/// # Errors
/// What the ioctl gives; `ENOTTY` when it is none.
pub fn size(terminal: BorrowedFd<'_>) -> Result<(u16, u16)> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ writes one `winsize`, which is live.
    let result = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
    Errno::result(result).map(|_| (size.ws_row, size.ws_col))
}
