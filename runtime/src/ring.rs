//! A terminal's output ring: the newest bytes of its output under their offsets, in a memfd that outlives serve.
//!
//! Exactly one process writes (the serve that owns the terminal); the supervisor only keeps the descriptor. A new
//! serve opens the same memfd and goes on at the same offset.
//!
//! ```text
//! 0            8           16          24                4096                        4096 + capacity
//! | magic (8)  | version   | capacity  | head  | (zero)  | byte at offset o stands at o % capacity |
//! ```
//!
//! All numbers are u64, little endian. `head` is the offset after the last byte, and it is written after the bytes, so
//! that a writer killed in between loses what it had not yet counted and corrupts nothing.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

const MAGIC: u64 = u64::from_le_bytes(*b"sandring");
const VERSION: u64 = 1;
const HEADER_BYTES: u64 = 4096;
const CAPACITY_AT: u64 = 16;
const HEAD_AT: u64 = 24;

/// Capacity of a ring unless said otherwise, in bytes.
pub const DEFAULT_CAPACITY: u64 = 512 * 1024;

/// The ring of one terminal.
#[derive(Debug)]
pub struct Ring {
    memory: File,
    capacity: u64,
    /// Changed by [`Ring::append`] only; equals the head in the memfd between calls.
    head: u64,
}

impl Ring {
    /// Makes an empty ring of `capacity` bytes. The memfd is sealed against resizing.
    ///
    /// # Errors
    /// When the kernel refuses the memfd, or `capacity` is zero.
    pub fn create(capacity: u64) -> io::Result<Self> {
        if capacity == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "create a ring: its capacity is zero"));
        }
        let memory = memfd_create(c"sandlot-ring", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
        let memory = File::from(memory);
        memory.set_len(HEADER_BYTES + capacity)?;
        for (at, number) in [(0, MAGIC), (8, VERSION), (CAPACITY_AT, capacity)] {
            write_number(&memory, at, number)?;
        }
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&memory, FcntlArg::F_ADD_SEALS(seals))?;
        Ok(Self { memory, capacity, head: 0 })
    }

    /// Opens a ring made by [`Ring::create`], in whatever process.
    ///
    /// # Errors
    /// When the file is no ring of this version or its length does not fit its capacity.
    pub fn open(memory: OwnedFd) -> io::Result<Self> {
        let memory = File::from(memory);
        let capacity = read_number(&memory, CAPACITY_AT)?;
        let known = read_number(&memory, 0)? == MAGIC && read_number(&memory, 8)? == VERSION;
        let fits = capacity > 0 && Some(memory.metadata()?.len()) == capacity.checked_add(HEADER_BYTES);
        if !known || !fits {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "open a ring: not a ring of this version",
            ));
        }
        let head = read_number(&memory, HEAD_AT)?;
        Ok(Self { memory, capacity, head })
    }

    /// Offset after the last byte.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// Offset of the oldest byte that is still here.
    pub fn tail(&self) -> u64 {
        self.head.saturating_sub(self.capacity)
    }

    /// Bytes it can hold.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Adds output. Of more than the capacity only the newest part stays, but every byte counts in the offset.
    ///
    /// # Errors
    /// When writing to the memfd fails (out of memory); the head has not moved then.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let head = self.head + bytes.len() as u64;
        let kept = bytes.len().min(usize::try_from(self.capacity).unwrap_or(usize::MAX));
        let (_, newest) = bytes.split_at(bytes.len() - kept);
        self.in_pieces(head - kept as u64, kept, |range, at| {
            newest.get(range).map_or(Ok(()), |piece| self.memory.write_all_at(piece, at))
        })?;
        write_number(&self.memory, HEAD_AT, head)?;
        self.head = head;
        Ok(())
    }

    /// Copies output from `offset` on into `into`; returns how many bytes. Zero at or beyond the head.
    ///
    /// # Errors
    /// `NotFound` when the byte at `offset` has been overwritten; otherwise what reading the memfd gives.
    pub fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        if offset < self.tail() {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "read a ring: the offset has been overwritten",
            ));
        }
        let there = usize::try_from(self.head.saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = there.min(into.len());
        self.in_pieces(offset, length, |range, at| {
            into.get_mut(range).map_or(Ok(()), |piece| self.memory.read_exact_at(piece, at))
        })?;
        Ok(length)
    }

    /// Calls `each` for the one or two stretches of the file that hold `length` bytes from `offset` on.
    fn in_pieces(
        &self,
        offset: u64,
        length: usize,
        mut each: impl FnMut(std::ops::Range<usize>, u64) -> io::Result<()>,
    ) -> io::Result<()> {
        let start = offset % self.capacity;
        let first = usize::try_from(self.capacity - start).unwrap_or(usize::MAX).min(length);
        each(0..first, HEADER_BYTES + start)?;
        each(first..length, HEADER_BYTES)
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.memory.as_fd()
    }
}

fn read_number(file: &File, at: u64) -> io::Result<u64> {
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, at)?;
    Ok(u64::from_le_bytes(bytes))
}

fn write_number(file: &File, at: u64, number: u64) -> io::Result<()> {
    file.write_all_at(&number.to_le_bytes(), at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever is appended in whatever pieces, the newest bytes read back under their offsets, also after a reopen.
        #[test]
        fn newest_bytes_read_back(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 0..20)) {
            let mut ring = Ring::create(64).unwrap();
            let mut all = Vec::new();
            for piece in &pieces {
                ring.append(piece).unwrap();
                all.extend_from_slice(piece);
                ring = Ring::open(ring.as_fd().try_clone_to_owned().unwrap()).unwrap();
            }
            let tail = usize::try_from(ring.tail()).unwrap();
            prop_assert_eq!(ring.head(), all.len() as u64);
            let mut read = vec![0; 200];
            let length = ring.read_at(ring.tail(), &mut read).unwrap();
            prop_assert_eq!(&read[..length], &all[tail..]);
            if tail > 0 {
                prop_assert_eq!(ring.read_at(0, &mut read).unwrap_err().kind(), io::ErrorKind::NotFound);
            }
        }
    }

    #[test]
    fn a_foreign_file_is_no_ring() {
        let file = memfd_create(c"other", MFdFlags::MFD_CLOEXEC).unwrap();
        assert!(Ring::open(file).is_err());
    }
}
