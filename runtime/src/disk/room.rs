//! Room on the node's own disk.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use nix::sys::statvfs::{Statvfs, fstatvfs, statvfs};

use super::Error;

/// Kept free at least; of a large disk a fiftieth, but not more than the upper bound.
const RESERVE_BYTES: u64 = 512 << 20;
const RESERVE_BYTES_MAX: u64 = 8 << 30;
/// Written bytes after which the disk is looked at again.
const LOOK_AGAIN_BYTES: u64 = 64 << 20;
/// Bytes for which there is one file.
const BYTES_PER_INODE: u64 = 16 * 1024;

/// Files that a disk of this size may hold.
pub(super) fn inodes(bytes: u64) -> u64 {
    (bytes / BYTES_PER_INODE).clamp(1024, 4_000_000)
}

/// Refuses when the node's disk is nearly full: disks are made sparse, so that together they promise more than there is.
pub(super) fn require(node: &Path) -> Result<(), Error> {
    let disk = statvfs(node).map_err(Error::io("look at", node.display()))?;
    let (free_bytes, reserve_bytes) = free_and_reserve(&disk);
    if free_bytes < reserve_bytes { Err(Error::NearlyFull { free_bytes, reserve_bytes }) } else { Ok(()) }
}

fn free_and_reserve(disk: &Statvfs) -> (u64, u64) {
    let bytes = |blocks: u64| blocks * disk.fragment_size();
    (bytes(disk.blocks_available()), (bytes(disk.blocks()) / 50).clamp(RESERVE_BYTES, RESERVE_BYTES_MAX))
}

/// Looks at the disk now and then while much is written to it: images, and what they unpack to.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    since: u64,
}

impl Watch {
    /// So many bytes more are about to be written where `file` is.
    ///
    /// # Errors
    /// When the disk is nearly full.
    pub(crate) fn bytes(&mut self, file: impl AsFd, more: u64) -> io::Result<()> {
        self.since += more;
        if self.since < LOOK_AGAIN_BYTES {
            return Ok(());
        }
        self.since = 0;
        let (free, reserve) = free_and_reserve(&fstatvfs(file)?);
        if free < reserve {
            let [free, reserve] = [free, reserve].map(|bytes| bytes >> 20);
            let message =
                format!("the node's disk is nearly full: {free} MiB are free, {reserve} MiB are kept");
            return Err(io::Error::new(io::ErrorKind::StorageFull, message));
        }
        Ok(())
    }
}
