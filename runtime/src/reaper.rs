//! Pid 1 of an instance: it reaps what is left to it and passes the signals of a shutdown on.
//!
//! It runs in the static binary `sandlot-oci`, entered before anything else of the program, and takes nothing but
//! signals: no file, no socket, no configuration.

use std::ffi::CStr;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::sys::signal::send_to_all;

/// Signals that ask for an orderly end.
const ENDING: [Signal; 4] = [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT, Signal::SIGPWR];

/// What `ps` shows.
const NAME: &CStr = c"sandlot-reaper";

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
        match signals.wait() {
            Ok(Signal::SIGCHLD) | Err(_) => {}
            Ok(signal) => {
                is_ending = true;
                pass_on(signal);
            }
        }
        if !reap() && is_ending && is_alone() {
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

/// Waits for every child that has ended. Whether children are left.
fn reap() -> bool {
    loop {
        match waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => return true,
            Err(Errno::ECHILD) => return false,
            Ok(_) | Err(_) => {}
        }
    }
}

/// Whether no other process is left: those that joined are not children.
fn is_alone() -> bool {
    send_to_all(0) == Err(Errno::ESRCH)
}
