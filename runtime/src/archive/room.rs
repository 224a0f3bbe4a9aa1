//! How much a tar may still write: bounds of its own, and what must stay free on the disk.

use std::io;
use std::os::fd::BorrowedFd;

use crate::disk::room::Watch;

/// Entries of one layer, at most.
const MAX_ENTRIES: u64 = 4_000_000;
/// Bytes of files of one layer, at most; a sparse file counts as long as it says it is.
const MAX_BYTES: u64 = 64 << 30;

/// What is used so far.
#[derive(Debug, Default)]
pub(super) struct Room {
    entries: u64,
    bytes: u64,
    disk: Watch,
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
        self.disk.bytes(tree, more)
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn what_a_tar_may_write_is_bounded() {
        let folder = std::fs::File::open(std::env::temp_dir()).unwrap();
        let mut room = Room { entries: MAX_ENTRIES - 1, bytes: MAX_BYTES - 1, disk: Watch::default() };
        room.entry().unwrap();
        assert!(room.entry().unwrap_err().to_string().contains("entries"));
        room.bytes(folder.as_fd(), 1).unwrap();
        assert!(room.bytes(folder.as_fd(), 1).unwrap_err().to_string().contains("bytes of files"));
        assert!(room.bytes(folder.as_fd(), u64::MAX).is_err());
    }
}
