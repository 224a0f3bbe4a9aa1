//! What programs of a machine say, and how they end.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use sandlot_runtime::container::Joined;

use super::PATIENCE;

/// A terminal of a machine.
pub(crate) struct Terminal {
    ptmx: File,
    pidfd: OwnedFd,
}

impl Terminal {
    pub(crate) fn new(mut joined: Joined) -> Self {
        Self { ptmx: File::from(joined.descriptors.remove(0)), pidfd: joined.pidfd }
    }

    pub(crate) fn type_text(&mut self, text: &str) {
        self.ptmx.write_all(text.as_bytes()).unwrap();
    }

    /// Reads until the output holds `text`.
    pub(crate) fn read_until(&mut self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        let mut output = String::new();
        while !output.contains(text) {
            assert!(Instant::now() < end, "no `{text}` in: {output}");
            let mut buffer = [0; 4096];
            match self.ptmx.read(&mut buffer) {
                Ok(count) => output.push_str(&String::from_utf8_lossy(&buffer[..count])),
                Err(error) if error.kind() == ErrorKind::WouldBlock => wait_readable(self.ptmx.as_fd()),
                Err(error) => panic!("read the terminal: {error}; so far: {output}"),
            }
        }
        output
    }

    pub(crate) fn wait(self) -> i32 {
        wait(self.pidfd.as_fd())
    }
}

fn wait_readable(descriptor: BorrowedFd<'_>) {
    poll(&mut [PollFd::new(descriptor, PollFlags::POLLIN)], PollTimeout::from(100u8)).unwrap();
}

/// Exit code of a child; 128 and the signal when it was killed.
pub(crate) fn wait(pidfd: BorrowedFd<'_>) -> i32 {
    match waitid(Id::PIDFd(pidfd), WaitPidFlag::WEXITED).unwrap() {
        WaitStatus::Exited(_, code) => code,
        WaitStatus::Signaled(_, signal, _) => 128 + signal as i32,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn read_all(mut files: [File; 2]) -> [String; 2] {
    let mut contents = [Vec::new(), Vec::new()];
    let mut open = [true, true];
    while open != [false, false] {
        let mut waiting: Vec<PollFd<'_>> = Vec::new();
        for (file, _) in files.iter().zip(open).filter(|(_, open)| *open) {
            waiting.push(PollFd::new(file.as_fd(), PollFlags::POLLIN));
        }
        let ready = poll(&mut waiting, PollTimeout::from(20_000u16)).unwrap();
        assert!(ready > 0, "a program neither ended nor said anything: {contents:?}");
        let ready: Vec<i32> =
            waiting.iter().filter(|one| one.any() == Some(true)).map(|one| one.as_fd().as_raw_fd()).collect();
        for (n, file) in files.iter_mut().enumerate() {
            let mut buffer = [0; 65536];
            if ready.contains(&file.as_raw_fd()) {
                let count = file.read(&mut buffer).unwrap();
                contents[n].extend_from_slice(&buffer[..count]);
                open[n] = count > 0;
            }
        }
    }
    contents.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}
