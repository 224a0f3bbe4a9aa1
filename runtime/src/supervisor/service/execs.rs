//! Execs: started by a worker; their pipes go to serve and are not kept.

use std::os::fd::OwnedFd;

use super::{Handled, Outcome, Supervisor, refuse};
use crate::supervisor::job::Job;
use crate::supervisor::limits;
use crate::supervisor::log;
use crate::supervisor::name::{ExecNumber, InstanceIndex, SessionNumber};
use crate::supervisor::protocol::{MAX_PROCESSES_PER_SESSION, Refusal, RefusalKind, Reply, Request};
use crate::supervisor::session::{Exec, Waiter};
use crate::supervisor::worker::Task;

impl Supervisor {
    pub(super) fn exec(&mut self, waiter: Waiter, request: Request) -> Handled {
        if !self.has_free_worker() {
            return Ok(Outcome::Again(request, Vec::new()));
        }
        let Request::Exec { session: number, instance, exec, command } = request else {
            return Err(refuse(RefusalKind::Invalid, "not an exec"));
        };
        limits::check_command(&command, false)?;
        let (seat, init) = self.seat(number, instance)?;
        let session = self.running(number)?;
        if session.execs.contains_key(&exec) {
            return Err(refuse(RefusalKind::Exists, format!("exec {} of session {number} exists", exec.0)));
        }
        session.execs.insert(exec, Exec { instance, process: None });
        let job = Job::Exec { seat, exec, command };
        let employed = self.employ(Task::Exec { session: number, exec, waiter }, job, &[init]);
        if employed.is_err() {
            self.drop_exec(number, exec);
        }
        employed.map(|()| Outcome::Later)
    }

    /// The worker that starts an exec is through; `pipes` are what it sent.
    pub(super) fn on_exec_started(
        &mut self,
        number: SessionNumber,
        exec: ExecNumber,
        waiter: Waiter,
        result: Result<(), Refusal>,
        pipes: Vec<OwnedFd>,
    ) {
        if result.is_err() {
            self.drop_exec(number, exec);
        }
        self.answer(waiter, result.map(|()| (Reply::Exec, pipes)));
    }

    pub(super) fn kill_exec(&mut self, waiter: Waiter, number: SessionNumber, exec: ExecNumber) -> Handled {
        if !self.has_free_worker() {
            return Ok(Outcome::Again(Request::KillExec { session: number, exec }, Vec::new()));
        }
        let session = self.running(number)?;
        let unknown =
            || refuse(RefusalKind::Unknown, format!("exec {} of session {number}: there is none", exec.0));
        let instance = match session.execs.get(&exec) {
            Some(known) => known.instance,
            // A step ends with its command: what that left running in a build must not go on into the next one.
            None if session.build.is_some() => only_instance()?,
            None => return Err(unknown()),
        };
        self.employ(Task::Plain { waiter }, Job::KillExec { session: number, instance, exec }, &[])?;
        Ok(Outcome::Later)
    }

    /// Sends a worker after the groups of ended execs, one at a time.
    pub(super) fn sweep(&mut self) {
        let sweeps = self.workers.values().any(|worker| matches!(worker.task, Task::Sweep { .. }));
        if self.spent.is_empty() || sweeps {
            return;
        }
        let spent = std::mem::take(&mut self.spent);
        let instances = spent.iter().map(|spent| (spent.session, spent.instance)).collect();
        if let Err(refusal) = self.employ(Task::Sweep { instances }, Job::Sweep { spent }, &[]) {
            log::warn(format_args!("remove groups of ended execs: {refusal}"));
        }
    }

    /// Forgets an exec. What it left running stays in its instance.
    pub(super) fn drop_exec(&mut self, number: SessionNumber, exec: ExecNumber) -> Option<InstanceIndex> {
        let session = self.state.sessions.get_mut(&number)?;
        session.execs.remove(&exec).map(|dropped| dropped.instance)
    }
}

/// The session is full of processes.
pub(super) fn too_many(number: SessionNumber) -> Refusal {
    refuse(
        RefusalKind::Full,
        format!("session {number}: it has {MAX_PROCESSES_PER_SESSION} terminals and execs already"),
    )
}

/// A build has one instance.
fn only_instance() -> Result<InstanceIndex, Refusal> {
    InstanceIndex::try_from(0).map_err(|error| refuse(RefusalKind::Invalid, error.to_string()))
}
