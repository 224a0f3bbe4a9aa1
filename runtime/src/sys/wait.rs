//! Waiting for children.

use nix::Result;
use nix::errno::Errno;

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Its process id, free for others from now on.
    pub pid: i32,
    /// What it returned, if it did.
    pub code: Option<i32>,
    /// The signal that ended it otherwise: any number, real-time signals included.
    pub signal: Option<i32>,
}

/// Waits for any child that has ended already; `None` when none has, or there is no child.
///
/// # Errors
/// What `waitpid` gives.
pub fn any_ended() -> Result<Option<Ended>> {
    let mut status = 0;
    // SAFETY: `status` is a live integer that the kernel writes to.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
    match Errno::result(pid) {
        Ok(0) | Err(Errno::ECHILD) => Ok(None),
        Ok(pid) => {
            let code = libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
            let signal = libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status));
            Ok(Some(Ended { pid, code, signal }))
        }
        Err(errno) => Err(errno),
    }
}
