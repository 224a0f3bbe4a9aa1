//! Pid 1 of an instance: it reaps what is left to it and passes the signals of a shutdown on.
//!
//! It runs in the static binary `sandlot-oci`, entered before anything else of the program, and takes nothing but
//! signals: no file, no socket, no configuration.

use std::ffi::CStr;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::sys::signal::{send_to_all, wait_for};

/// Signals that ask for an orderly end.
const ENDING: [Signal; 4] = [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT, Signal::SIGPWR];

/// What `ps` shows.
const NAME: &CStr = c"sandlot-reaper";

/// Programs that joined are not this process's children, so it hears nothing of their end: while ending it looks.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Until then only signals wake it.
const NEVER: Duration = Duration::from_secs(u32::MAX as u64);

/// Reaps until a signal asks for the end and no other process is left. Returns the exit code.
pub fn run() -> i32 {
    // For ps and top; an exec by descriptor names the process after a number. A nameless reaper works as well.
    let _nameless = nix::sys::prctl::set_name(NAME);
    let mut signals = SigSet::from_iter(ENDING);
    signals.add(Signal::SIGCHLD);
    if sigprocmask(SigmaskHow::SIG_BLOCK, Some(&signals), None).is_err() {
        return 1;
    }
    let mut is_ending = false;
    loop {
        let signal = wait_for(&signals, if is_ending { LOOK_AGAIN } else { NEVER });
        if let Some(signal) = ENDING.into_iter().find(|ending| signal == Ok(*ending as i32)) {
            is_ending = true;
            pass_on(signal);
        }
        reap();
        if is_ending && is_alone() {
            return 0;
        }
    }
}

/// Stopped processes could not act on the signal.
fn pass_on(signal: Signal) {
    for signal in [signal as i32, Signal::SIGCONT as i32] {
        // Nobody left to signal is the good case.
        let _alone = send_to_all(signal);
    }
}

/// Waits for every child that has ended.
fn reap() {
    while !matches!(
        waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)),
        Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD)
    ) {}
}

/// Whether no other process is left.
fn is_alone() -> bool {
    send_to_all(0) == Err(Errno::ESRCH)
}
