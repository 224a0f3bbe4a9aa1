//! A process that is ended unless everything went well.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

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

    /// Whether it was killed. It can still be waited for after this.
    pub(super) fn was_killed(&self) -> bool {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        let status = self.0.as_ref().map(|pidfd| waitid(Id::PIDFd(pidfd.as_fd()), flags));
        matches!(status, Some(Ok(WaitStatus::Signaled(_, Signal::SIGKILL, _))))
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
