//! Feeding an exec its input and collecting its outputs, bounded. The descriptors may be held by children that outlive
//! the program, so the caller says when to stop.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use tokio::io::unix::AsyncFd;

use crate::readiness;

/// What an exec wrote to one of its outputs.
#[derive(Debug, Clone, Default)]
pub struct Collected {
    /// The first bytes of it.
    pub bytes: Vec<u8>,
    /// Whether it wrote more.
    pub truncated: bool,
}

/// An output that is being collected; clones speak of the same.
#[derive(Debug, Clone, Default)]
pub struct Collector(Arc<Mutex<Collected>>);

impl Collector {
    /// Reads until the end; keeps at most `most` bytes and drops the rest.
    ///
    /// # Errors
    /// When the descriptor cannot be read.
    pub async fn collect(self, from: OwnedFd, most: usize) -> io::Result<()> {
        let from = non_blocking(from)?;
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let mut guard = from.readable().await?;
            match guard.try_io(|fd| Ok(nix::unistd::read(fd.get_ref(), &mut buffer)?)) {
                Ok(Ok(0)) => return Ok(()),
                Ok(Ok(count)) => self.keep(buffer.get(..count).unwrap_or_default(), most),
                Ok(Err(error)) => return Err(error),
                Err(_would_block) => {}
            }
        }
    }

    fn keep(&self, bytes: &[u8], most: usize) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = most.saturating_sub(kept.bytes.len()).min(bytes.len());
        kept.bytes.extend_from_slice(bytes.get(..room).unwrap_or_default());
        kept.truncated |= room < bytes.len();
    }

    /// What has come so far.
    pub fn take(&self) -> Collected {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Writes all of `input`, then closes. A program that does not read all of it is no error.
///
/// # Errors
/// When the descriptor cannot be written for another reason.
pub async fn feed(into: OwnedFd, input: Vec<u8>) -> io::Result<()> {
    let into = non_blocking(into)?;
    let mut written = 0;
    while let Some(rest) = input.get(written..).filter(|rest| !rest.is_empty()) {
        let mut guard = into.writable().await?;
        match guard.try_io(|fd| Ok(nix::unistd::write(fd.get_ref(), rest)?)) {
            Ok(Ok(count)) => written += count,
            Ok(Err(error)) if error.raw_os_error() == Some(Errno::EPIPE as i32) => return Ok(()),
            Ok(Err(error)) => return Err(error),
            Err(_would_block) => {}
        }
    }
    Ok(())
}

fn non_blocking(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    let flags = OFlag::from_bits_retain(fcntl(&fd, FcntlArg::F_GETFL)?);
    fcntl(&fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    readiness::watch(fd)
}
