//! How much a tar may still write: bounds of its own, and what must stay free on the disk.

use std::io;
use std::os::fd::BorrowedFd;

use nix::sys::statvfs::fstatvfs;

/// Entries of one layer, at most.
const MAX_ENTRIES: u64 = 4_000_000;
/// Bytes of files of one layer, at most; a sparse file counts as long as it says it is.
const MAX_BYTES: u64 = 64 << 30;
/// Written bytes after which the disk is asked again.
const ASK_AGAIN_BYTES: u64 = 64 << 20;
/// What stays free for everyone else.
const RESERVE_BYTES: u64 = 512 << 20;

/// What is used so far.
#[derive(Debug, Default)]
pub(super) struct Room {
    entries: u64,
    bytes: u64,
    asked_at: u64,
}

impl Room {
    /// One more entry.
    pub(super) fn entry(&mut self) -> io::Result<()> {
        self.entries += 1;
        if self.entries > MAX_ENTRIES {
            return Err(io::Error::other(format!("more than {MAX_ENTRIES} entries")));
        }
        Ok(())
    }

    /// So many bytes more are about to be written to the tree.
    pub(super) fn bytes(&mut self, tree: BorrowedFd<'_>, more: u64) -> io::Result<()> {
        self.bytes = self.bytes.saturating_add(more);
        if self.bytes > MAX_BYTES {
            return Err(io::Error::other(format!("more than {MAX_BYTES} bytes of files")));
        }
        if self.bytes - self.asked_at < ASK_AGAIN_BYTES {
            return Ok(());
        }
        self.asked_at = self.bytes;
        let disk = fstatvfs(tree)?;
        if disk.blocks_available() * disk.fragment_size() < RESERVE_BYTES {
            return Err(io::Error::other("the node's disk is nearly full"));
        }
        Ok(())
    }
}
