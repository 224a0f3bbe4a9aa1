//! Room on the node's disk: no session starts before it runs full, so that those that run can go on.

use std::path::Path;

use nix::sys::statvfs::statvfs;

use crate::config::limits;
use crate::error::{Error, ErrorKind, Result};

/// Whether the file system of `folder` has room for another session.
///
/// # Errors
/// When it has not, or cannot be asked.
pub(super) fn check(folder: &Path) -> Result<()> {
    let system = statvfs(folder).map_err(|errno| Error::internal(std::io::Error::from(errno)))?;
    let free = system.blocks_available().saturating_mul(system.fragment_size());
    if free < limits::DISK_RESERVE_BYTES {
        tracing::error!(free, folder = %folder.display(), "no session starts: the disk is nearly full");
        let sentence = "The node's disk is nearly full. Try again later; the operator has to make room.";
        return Err(Error::new(ErrorKind::DiskFull, sentence).retry_after(std::time::Duration::from_secs(60)));
    }
    Ok(())
}
