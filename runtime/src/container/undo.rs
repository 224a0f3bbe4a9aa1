//! A process that is ended unless everything went well.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use crate::sys::pidfd;

/// A child that is killed and waited for when this is dropped.
#[derive(Debug)]
pub(super) struct Unfinished(Option<OwnedFd>);

impl Unfinished {
    pub(super) fn new(pidfd: OwnedFd) -> Self {
        Self(Some(pidfd))
    }

    /// It may live.
    pub(super) fn finish(mut self) -> Option<OwnedFd> {
        self.0.take()
    }

    /// Whether it was killed before it executed a program. It can still be waited for after this.
    pub(super) fn was_killed_before_exec(&self) -> bool {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        let status = self.0.as_ref().map(|pidfd| waitid(Id::PIDFd(pidfd.as_fd()), flags));
        match status {
            Some(Ok(WaitStatus::Signaled(pid, Signal::SIGKILL, _))) => !has_executed(pid),
            _ => false,
        }
    }

    /// A copy of one of its descriptors.
    pub(super) fn take_descriptor(&self, number: i32) -> Result<OwnedFd, nix::errno::Errno> {
        let process = self.0.as_ref().ok_or(nix::errno::Errno::ESRCH)?;
        pidfd::copy_descriptor(process.as_fd(), number)
    }

    /// Waits until it ends by itself.
    pub(super) fn wait(mut self) {
        if let Some(pidfd) = self.0.take() {
            wait_for(pidfd.as_fd());
        }
    }
}

/// Bit of a process's flags (kernel, include/linux/sched.h): forked, but has not executed anything.
const PF_FORKNOEXEC: u64 = 0x40;

/// Whether a process of ours, perhaps a zombie, executed anything; false when that cannot be told.
fn has_executed(pid: Pid) -> bool {
    // proc(5): flags are the ninth field; the second one, a name in parentheses, may hold blanks.
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let flags =
        text.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(6)?.parse::<u64>().ok());
    flags.is_some_and(|flags| flags & PF_FORKNOEXEC == 0)
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(pidfd) = self.0.take() {
            // A process that has ended already needs no signal; it is waited for all the same.
            let _ended = pidfd::send_signal(pidfd.as_fd(), Signal::SIGKILL);
            wait_for(pidfd.as_fd());
        }
    }
}

fn wait_for(pidfd: BorrowedFd<'_>) {
    while waitid(Id::PIDFd(pidfd), WaitPidFlag::WEXITED) == Err(nix::errno::Errno::EINTR) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test may start a program")]
    fn a_program_is_known_also_when_it_has_ended() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = Pid::from_raw(child.id().cast_signed());
        waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).unwrap();
        assert!(has_executed(pid));
        child.wait().unwrap();
        assert!(!has_executed(pid));
    }
}
