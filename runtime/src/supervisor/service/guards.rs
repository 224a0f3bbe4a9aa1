//! The guardian as the supervisor sees it: watched in return, and replaced when it has ended.

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::state::Guardian;
use super::{Handled, Outcome, Supervisor, refuse};
use crate::supervisor::log;
use crate::supervisor::poller::Token;
use crate::supervisor::protocol::{Refusal, RefusalKind, Reply};
use crate::supervisor::role;
use crate::supervisor::session::Waiter;
use crate::sys::pidfd;

impl Supervisor {
    /// A process of root's takes the guardian's place and gets what a guardian holds: the listening socket and the lock.
    pub(super) fn guard(&mut self, waiter: Waiter) -> Handled {
        let failed = |error: std::io::Error| refuse(RefusalKind::Failed, format!("guard: {error}"));
        let is_free = self.state.guardian.as_ref().is_none_or(|guardian| guardian.is_stand_in);
        if !is_free {
            return Err(refuse(RefusalKind::Busy, "guard: the supervisor has a guardian"));
        }
        let connection = self.state.connections.get(&waiter.connection);
        let pid = connection.map(|connection| connection.pid).unwrap_or_default();
        let new = watched(pid, false).map_err(|errno| failed(errno.into()))?;
        let holds = [self.state.listener.duplicate(), self.state.lock.duplicate()];
        let holds = holds.into_iter().collect::<Result<Vec<_>, _>>().map_err(failed)?;
        self.dismiss_guardian();
        self.take_guardian(new).map_err(|errno| failed(errno.into()))?;
        log::info(format_args!("guarded by process {pid}"));
        Ok(Outcome::Now(Reply::Done, holds))
    }

    fn take_guardian(&mut self, guardian: Guardian) -> Result<(), Errno> {
        self.poller.add(guardian.pidfd.as_fd(), Token::Guardian)?;
        self.state.guardian = Some(guardian);
        Ok(())
    }

    fn dismiss_guardian(&mut self) {
        let Some(old) = self.state.guardian.take() else { return };
        if let Err(errno) = self.poller.remove(old.pidfd.as_fd()) {
            log::warn(format_args!("watch the guardian no longer: {errno}"));
        }
        match pidfd::send_signal(old.pidfd.as_fd(), Signal::SIGTERM) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => log::warn(format_args!("dismiss the guardian: {errno}")),
        }
    }

    /// The guardian has ended, killed or told to leave: another takes its place at once.
    pub(super) fn on_guardian_end(&mut self) {
        let Some(old) = self.state.guardian.take() else { return };
        if let Err(errno) = self.poller.remove(old.pidfd.as_fd()) {
            log::warn(format_args!("watch the guardian no longer: {errno}"));
        }
        drop(old);
        if self.down.is_some() {
            return;
        }
        log::warn("the guardian has ended: starting another");
        if let Err(refusal) = self.start_guardian() {
            log::warn(format_args!("start a guardian: {refusal}"));
        }
    }

    fn start_guardian(&mut self) -> Result<(), Refusal> {
        let failed = |error: std::io::Error| refuse(RefusalKind::Failed, error.to_string());
        let pid = role::start_stand_in(&self.state).map_err(failed)?;
        let guardian = watched(pid, true).map_err(|errno| failed(errno.into()))?;
        self.take_guardian(guardian).map_err(|errno| failed(errno.into()))
    }
}

fn watched(pid: i32, is_stand_in: bool) -> Result<Guardian, Errno> {
    Ok(Guardian { pid, pidfd: pidfd::open(Pid::from_raw(pid))?.into(), is_stand_in })
}
