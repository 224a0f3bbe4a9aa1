//! What stays with the command line while a program runs: its terminal, its signals, its end.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};

use super::console;
use super::error::Error;
use super::relay::{self, HostTerminal};
use crate::container::Started;
use crate::spec::ProcessPlan;

/// The terminal of a program, wherever it goes, and what waits for its end.
#[derive(Debug)]
pub(super) struct Foreground {
    /// The socket that is given to the container.
    pub(super) console: Option<OwnedFd>,
    /// Our end of it, where the terminal stays here.
    ours: Option<OwnedFd>,
    ptmx: Option<OwnedFd>,
}

impl Foreground {
    /// Before the process is cloned. Signals wait from here on, so that none is lost before somebody passes them on.
    pub(super) fn prepare(process: &ProcessPlan, socket: Option<&Path>, detach: bool) -> Result<Self, Error> {
        if !detach {
            sigprocmask(SigmaskHow::SIG_BLOCK, Some(&SigSet::all()), None)
                .map_err(|errno| Error::said(format!("block signals: {}", errno.desc())))?;
        }
        match (process.terminal, socket) {
            (None, _) => Ok(Self { console: None, ours: None, ptmx: None }),
            (Some(_), Some(path)) => {
                Ok(Self { console: Some(console::connect(path)?), ours: None, ptmx: None })
            }
            (Some(_), None) => {
                let (ours, theirs) = console::pair()?;
                Ok(Self { console: Some(theirs), ours: Some(ours), ptmx: None })
            }
        }
    }

    /// After the process has sent its terminal.
    pub(super) fn started(self) -> Result<Self, Error> {
        let ptmx = self.ours.as_ref().map(console::take).transpose()?;
        Ok(Self { console: None, ours: None, ptmx })
    }

    /// Passes signals and the terminal's bytes on until the program ends. Returns its exit status, 128 and more for a
    /// signal.
    pub(super) fn wait(&self, started: &Started) -> Result<i32, Error> {
        let host = self.ptmx.as_ref().map(|ptmx| HostTerminal::take(ptmx.as_fd())).transpose()?;
        let status = relay::until_end(started, self.ptmx.as_ref().map(AsFd::as_fd));
        drop(host);
        status
    }
}

/// How many sockets of systemd's socket activation this process was given (sd_listen_fds(3)).
pub(super) fn listening() -> u32 {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    let is_ours = number("LISTEN_PID") == Some(std::process::id());
    if is_ours { number("LISTEN_FDS").unwrap_or(0) } else { 0 }
}

/// All descriptors that the program inherits must be there.
pub(super) fn check_preserved(listening: u32, wanted: u32) -> Result<u32, Error> {
    for number in 0..wanted {
        let fd = 3 + listening + number;
        if std::fs::metadata(format!("/proc/self/fd/{fd}")).is_err() {
            return Err(Error::said(format!(
                "unable to stat preserved-fd {number} (of {wanted}): stat /proc/self/fd/{fd}: no such file or directory"
            )));
        }
    }
    Ok(listening + wanted)
}
