//! Input on its way to a PTY: written at once where there is room, queued in order where there is none.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;

use nix::errno::Errno;

use crate::config::limits;

/// Bytes that the PTY had no room for. Bounded by [`limits::INPUT_QUEUE_BYTES`] and one frame.
#[derive(Debug, Default)]
pub(super) struct InputQueue {
    bytes: VecDeque<u8>,
}

impl InputQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether no further frame is taken.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= limits::INPUT_QUEUE_BYTES
    }

    /// Writes what it can of `bytes` behind everything queued, and keeps the rest.
    pub(super) fn write(&mut self, ptmx: impl AsFd, bytes: &[u8]) -> io::Result<()> {
        let written = if self.is_empty() { write_some(ptmx, bytes)? } else { 0 };
        self.bytes.extend(bytes.get(written..).unwrap_or_default());
        Ok(())
    }

    /// Writes what it can of the queue. `WouldBlock` when something is left and the PTY has no room.
    pub(super) fn flush(&mut self, ptmx: impl AsFd) -> io::Result<()> {
        while !self.is_empty() {
            let (front, _) = self.bytes.as_slices();
            let written = write_some(&ptmx, front)?;
            if written == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.bytes.drain(..written);
        }
        self.bytes.shrink_to(0);
        Ok(())
    }

    /// Forgets everything: nobody will read it.
    pub(super) fn clear(&mut self) {
        self.bytes = VecDeque::new();
    }
}

/// Writes until the PTY has no more room; returns how many bytes went.
fn write_some(ptmx: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match nix::unistd::write(&ptmx, rest) {
            Ok(0) | Err(Errno::EAGAIN) => break,
            Ok(count) => written += count,
            Err(Errno::EINTR) => {}
            // The program is gone: its input is of no use to anybody.
            Err(Errno::EIO) => return Ok(bytes.len()),
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::fcntl::OFlag;
    use proptest::prelude::*;
    use std::io::Read;

    proptest! {
        /// Whatever the sizes of the frames and however small the pipe: all bytes arrive, in order.
        #[test]
        fn order_holds(frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9000), 1..12)) {
            let (read, write) = nix::unistd::pipe2(OFlag::O_NONBLOCK).unwrap();
            let (mut read, mut queue, mut arrived) = (std::fs::File::from(read), InputQueue::default(), Vec::new());
            let mut buffer = vec![0; 10_000];
            for frame in &frames {
                queue.write(&write, frame).unwrap();
                if let Ok(count) = read.read(&mut buffer) { arrived.extend_from_slice(&buffer[..count]); }
            }
            while !queue.is_empty() {
                queue.flush(&write).ok();
                if let Ok(count) = read.read(&mut buffer) { arrived.extend_from_slice(&buffer[..count]); }
            }
            while let Ok(count) = read.read(&mut buffer) { arrived.extend_from_slice(&buffer[..count]); }
            prop_assert_eq!(arrived, frames.concat());
        }
    }
}
