//! The two ends of an archive: files or pipes that somebody else may have made non-blocking.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Where an archive is read from; waits when nothing is there yet.
#[derive(Debug)]
pub(crate) struct Input(File);

/// Where an archive is written to; waits when it is full.
#[derive(Debug)]
pub(crate) struct Output(File);

impl From<OwnedFd> for Input {
    fn from(descriptor: OwnedFd) -> Self {
        Self(descriptor.into())
    }
}

impl From<OwnedFd> for Output {
    fn from(descriptor: OwnedFd) -> Self {
        Self(descriptor.into())
    }
}

impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(&self.0, PollFlags::POLLIN)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(&self.0, PollFlags::POLLOUT)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn wait(file: &File, events: PollFlags) -> io::Result<()> {
    match poll(&mut [PollFd::new(file.as_fd(), events)], PollTimeout::NONE) {
        Ok(_) | Err(nix::Error::EINTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
