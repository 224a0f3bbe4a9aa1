//! Signal dispositions of this process.

use std::time::Duration;

use nix::Result;
use nix::errno::Errno;
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, sigprocmask};

/// Highest signal number of Linux; the first is 1.
const LAST_SIGNAL: libc::c_int = 64;

/// Sets every signal to its default and clears the mask, as a program expects them from a fresh boot.
///
/// The C library keeps two signals for itself and refuses to change them, so the kernel is asked directly: they may have
/// come ignored from whoever started us.
///
/// # Errors
/// What `rt_sigprocmask` gives.
pub fn reset() -> Result<()> {
    // The kernel's own structure: handler (SIG_DFL), flags, restorer and a mask of 64 signals, all zero.
    let default = [0u64; 4];
    for signal in 1..=LAST_SIGNAL {
        let nothing = std::ptr::null_mut::<u64>();
        // SAFETY: the kernel reads the 32 bytes of `default`, which live; a null pointer says that the old action is not
        // wanted; 8 is the size of its mask.
        let result = unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), nothing, size_of::<u64>())
        };
        // SIGKILL and SIGSTOP cannot be changed and need no change.
        let _unchangeable = Errno::result(result).is_err();
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

/// Ignores a signal, or sets it to its default.
///
/// # Errors
/// `EINVAL` for a handler that is a function, or a signal that cannot be changed.
pub fn handle(signal: Signal, handler: SigHandler) -> Result<()> {
    if !matches!(handler, SigHandler::SigIgn | SigHandler::SigDfl) {
        return Err(Errno::EINVAL);
    }
    // SAFETY: no function is installed, so none can run at a bad moment.
    unsafe { nix::sys::signal::signal(signal, handler) }.map(drop)
}
