//! A terminal of the container's own devpts.

use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, SFlag, fstat, major, minor};
use nix::sys::statfs::{FsType, fstatfs};

use crate::failure::{Failure, during};
use crate::rootfs::path;
use crate::supervisor::protocol::Winsize;
use crate::sys::terminal;

const DEVPTS_MAGIC: u64 = 0x1cd1;

/// Opens a new terminal as the calling user, and makes it the controlling one of the calling session leader. Returns
/// the ptmx, non-blocking, and the pts.
///
/// # Errors
/// With what the kernel refused; also when `/dev/ptmx` is not the container's ptmx.
pub fn open_controlling(size: Winsize) -> Result<(OwnedFd, OwnedFd), Failure> {
    let ptmx = open_ptmx().map_err(during("open `/dev/ptmx`"))?;
    terminal::unlock(ptmx.as_fd()).map_err(during("unlock the terminal"))?;
    let pts = terminal::open_peer(ptmx.as_fd()).map_err(during("open the terminal's pts"))?;
    terminal::set_size(pts.as_fd(), size.rows, size.cols).map_err(during("set the terminal's size"))?;
    terminal::make_controlling(pts.as_fd()).map_err(during("make the terminal controlling"))?;
    Ok((ptmx, pts))
}

/// Root inside can put anything at `/dev/ptmx`: what is opened is checked before it is used.
fn open_ptmx() -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let ptmx = open("/dev/ptmx", flags, Mode::empty())?;
    let status = fstat(&ptmx)?;
    let is_devpts = fstatfs(&ptmx)?.filesystem_type() == FsType(DEVPTS_MAGIC as _);
    let is_ptmx =
        path::is_kind(&status, SFlag::S_IFCHR) && (major(status.st_rdev), minor(status.st_rdev)) == (5, 2);
    if is_devpts && is_ptmx { Ok(ptmx) } else { Err(Errno::ENXIO) }
}
