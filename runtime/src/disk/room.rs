//! Room on the node's own disk.

use std::path::Path;

use nix::sys::statvfs::statvfs;

use super::Error;

/// Kept free at least; of a large disk a fiftieth, but not more than the upper bound.
const RESERVE_BYTES: u64 = 512 << 20;
const RESERVE_BYTES_MAX: u64 = 8 << 30;
/// Bytes for which there is one file.
const BYTES_PER_INODE: u64 = 16 * 1024;

/// Files that a disk of this size may hold.
pub(super) fn inodes(bytes: u64) -> u64 {
    (bytes / BYTES_PER_INODE).clamp(1024, 4_000_000)
}

/// Refuses when the node's disk is nearly full: disks are made sparse, so that together they promise more than there is.
pub(super) fn require(node: &Path) -> Result<(), Error> {
    let disk = statvfs(node).map_err(Error::io("look at", node.display()))?;
    let free_bytes = disk.blocks_available() * disk.fragment_size();
    let reserve_bytes = (disk.blocks() * disk.fragment_size() / 50).clamp(RESERVE_BYTES, RESERVE_BYTES_MAX);
    if free_bytes < reserve_bytes { Err(Error::NearlyFull { free_bytes, reserve_bytes }) } else { Ok(()) }
}
