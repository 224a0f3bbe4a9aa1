//! A program that runs in an instance, and what it said.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use anyhow::{Context, Result, bail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

use crate::wait::PATIENCE;

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its exit code; 128 and the signal when it was killed.
    pub code: i32,
    /// What it wrote on stdout.
    pub stdout: String,
    /// What it wrote on stderr.
    pub stderr: String,
}

/// A program that was started.
#[derive(Debug)]
pub struct Running {
    pidfd: OwnedFd,
    stdin: File,
    stdout: File,
    stderr: File,
}

impl Running {
    /// From pidfd, stdin, stdout and stderr.
    pub(super) fn new(descriptors: Vec<OwnedFd>) -> Result<Self> {
        let [pidfd, stdin, stdout, stderr] =
            <[OwnedFd; 4]>::try_from(descriptors).ok().context("the worker did not send four descriptors")?;
        Ok(Self { pidfd, stdin: stdin.into(), stdout: stdout.into(), stderr: stderr.into() })
    }

    /// Writes to its stdin.
    ///
    /// # Errors
    /// When it does not read.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stdin.write_all(bytes)?)
    }

    /// Waits until it has written the text to stdout.
    ///
    /// # Errors
    /// When it ends without doing so, or says nothing for too long.
    pub fn wait_for(&mut self, text: &str) -> Result<()> {
        let mut said = String::new();
        while !said.contains(text) {
            wait_readable(&[&self.stdout])?;
            let mut buffer = [0; 4096];
            match self.stdout.read(&mut buffer)? {
                0 => bail!("it ended without `{text}`: {said}"),
                count => said.push_str(&String::from_utf8_lossy(buffer.get(..count).unwrap_or_default())),
            }
        }
        Ok(())
    }

    /// Closes its stdin, reads what it says, and waits for its end.
    ///
    /// # Errors
    /// When it does neither for too long.
    pub fn end(self) -> Result<Output> {
        let Self { pidfd, stdin, mut stdout, mut stderr } = self;
        drop(stdin);
        let [out, err] = read_both([&mut stdout, &mut stderr])?;
        let code = match waitid(Id::PIDFd(pidfd.as_fd()), WaitPidFlag::WEXITED)? {
            WaitStatus::Exited(_, code) => code,
            WaitStatus::Signaled(_, signal, _) => 128 + signal as i32,
            other => bail!("an end of another kind: {other:?}"),
        };
        Ok(Output { code, stdout: out, stderr: err })
    }
}

fn wait_readable(files: &[&File]) -> Result<()> {
    let mut waiting: Vec<PollFd<'_>> =
        files.iter().map(|file| PollFd::new(file.as_fd(), PollFlags::POLLIN)).collect();
    match poll(&mut waiting, PollTimeout::try_from(PATIENCE)?)? {
        0 => bail!("a program neither ended nor said anything for {PATIENCE:?}"),
        _ => Ok(()),
    }
}

fn read_both(files: [&mut File; 2]) -> Result<[String; 2]> {
    let mut contents = [Vec::new(), Vec::new()];
    let mut open = [true, true];
    while open != [false, false] {
        for n in 0..2 {
            let other_is_ready = || -> Result<bool> {
                let mut waiting = [PollFd::new(files[n].as_fd(), PollFlags::POLLIN)];
                Ok(poll(&mut waiting, PollTimeout::from(10u8))? > 0)
            };
            if open[n] && other_is_ready()? {
                let mut buffer = [0; 65536];
                let count = files[n].read(&mut buffer)?;
                contents[n].extend_from_slice(buffer.get(..count).unwrap_or_default());
                open[n] = count > 0;
            }
        }
        let waiting: Vec<&File> =
            files.iter().zip(open).filter(|(_, open)| *open).map(|(file, _)| &**file).collect();
        if !waiting.is_empty() {
            wait_readable(&waiting)?;
        }
    }
    Ok(contents.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}
