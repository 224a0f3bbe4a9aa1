//! Signal dispositions of this process.

use std::time::Duration;

use nix::Result;
use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};

/// Sets every signal to its default and clears the mask, as a program expects them from a fresh boot.
///
/// # Errors
/// What `rt_sigprocmask` gives.
pub fn reset() -> Result<()> {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: SIG_DFL installs no code of ours; numbers that may not be changed are refused by the kernel.
        let previous = unsafe { libc::signal(signal, libc::SIG_DFL) };
        // SIGKILL, SIGSTOP and the two or three that libc keeps for itself cannot be changed and need no change.
        let _unchangeable = previous == libc::SIG_ERR;
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
}

/// Waits for one of these signals, which must be blocked, at most this long.
///
/// # Errors
/// What `sigtimedwait` gives; `EAGAIN` when the time is over.
pub fn wait_for(signals: &SigSet, timeout: Duration) -> Result<libc::c_int> {
    let timeout = libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    };
    let set: &libc::sigset_t = signals.as_ref();
    // SAFETY: the set and the time are live; a null pointer says that no details are wanted.
    let signal = unsafe { libc::sigtimedwait(set, std::ptr::null_mut(), &raw const timeout) };
    Errno::result(signal)
}

/// Sends a signal to every process that this one may signal, itself and pid 1 left out.
///
/// # Errors
/// What `kill` gives; `ESRCH` when there is none.
pub fn send_to_all(signal: libc::c_int) -> Result<()> {
    // SAFETY: kill touches no memory.
    Errno::result(unsafe { libc::kill(-1, signal) }).map(drop)
}
