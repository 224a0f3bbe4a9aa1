//! Signal dispositions of this process.

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

/// Sends a signal to every process that this one may signal, itself and pid 1 left out.
///
/// # Errors
/// What `kill` gives; `ESRCH` when there is none.
pub fn send_to_all(signal: libc::c_int) -> Result<()> {
    // SAFETY: kill touches no memory.
    Errno::result(unsafe { libc::kill(-1, signal) }).map(drop)
}
