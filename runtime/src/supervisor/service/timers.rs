//! What is due at a moment: deadlines of sessions, phases of ends, late workers, a re-exec that must wait no longer.

use std::time::Duration;

use super::{LONGEST_WAIT, Supervisor};
use crate::supervisor::clock::{self, Moment};
use crate::supervisor::session::{Phase, Stage};

impl Supervisor {
    /// Does what is due.
    pub(super) fn on_time(&mut self) {
        self.end_expired();
        self.kill_late_workers();
        self.recount();
        if self.reexec.is_none() {
            self.continue_ends();
            self.sweep();
        }
    }

    /// How long nothing will be due.
    pub(super) fn longest_wait(&self) -> Duration {
        let now = Moment::now();
        let unix_now = clock::unix_ms();
        let sessions = self.state.sessions.values().filter_map(|session| match &session.stage {
            Stage::Running => Some(Duration::from_millis(session.deadline_unix_ms.saturating_sub(unix_now))),
            Stage::Ending(ending) => match ending.phase {
                Phase::HangUp { until } | Phase::Waiting { until } => Some(until.since(now)),
                Phase::Cleaning => None,
            },
            Stage::Starting { .. } | Stage::Gone(_) => None,
        });
        let workers = self.workers.values().map(|worker| worker.until.since(now));
        let reexec = self.reexec.iter().map(|reexec| reexec.until.since(now));
        let recounts = self.recounts.values().map(|at| at.since(now));
        let disk = self.next_disk().map(|at| at.since(now));
        let switch = self.next_switch().map(|at| at.since(now));
        sessions
            .chain(disk)
            .chain(switch)
            .chain(workers)
            .chain(recounts)
            .chain(reexec)
            .fold(LONGEST_WAIT, Duration::min)
    }
}
