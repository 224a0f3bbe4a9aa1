//! Ends of children: every process of every container arrives here, since the supervisor is their subreaper.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::Supervisor;
use crate::supervisor::clock::Moment;
use crate::supervisor::job::Spent;
use crate::supervisor::log;
use crate::supervisor::name::{InstanceIndex, SessionNumber};
use crate::supervisor::protocol::{Event, ExitStatus};
use crate::supervisor::session::Part;
use crate::sys::wait;

/// A worker reports what it has made within this time, or is killed.
const EARLY: Duration = Duration::from_secs(120);

impl Supervisor {
    /// Waits for every child that has ended.
    pub(super) fn reap(&mut self) {
        loop {
            match wait::any_ended() {
                Ok(None) => break,
                Ok(Some(end)) => self.on_end(end.pid, ExitStatus { code: end.code, signal: end.signal }),
                Err(errno) => return log::warn(format_args!("wait for a child: {errno}")),
            }
        }
    }

    /// A child has ended. It may be one that a worker has made and not yet told of.
    fn on_end(&mut self, pid: i32, status: ExitStatus) {
        if let Some(number) =
            self.workers.iter().find(|(_, worker)| worker.pid == pid).map(|(number, _)| *number)
        {
            return self.on_worker_end(number, status);
        }
        if self.leaving.remove(&pid) || self.settle(pid, status) || self.workers.is_empty() {
            return;
        }
        let now = Moment::now();
        self.early_ends.retain(|_, (_, at)| now.since(*at) < EARLY);
        self.early_ends.insert(pid, (status, now));
    }

    /// Writes the end of a known process down and tells it. Returns whether it was known.
    fn settle(&mut self, pid: i32, status: ExitStatus) -> bool {
        let mut sessions = self.state.sessions.values();
        let found = sessions.find_map(|session| Some((session.number, session.part_of(pid)?)));
        match found {
            Some((number, Part::Instance(index))) => self.on_instance_end(number, index, status),
            Some((session, Part::Terminal(terminal))) => {
                let owner = self.state.sessions.get_mut(&session);
                if let Some(ended) = owner.and_then(|owner| owner.terminals.get_mut(&terminal)) {
                    (ended.process, ended.ended) = (None, Some(status));
                    self.tell(Event::TerminalEnded { session, terminal, status });
                }
            }
            Some((session, Part::Exec(exec))) => {
                if let Some(instance) = self.drop_exec(session, exec) {
                    // While the exec's own group is still there.
                    self.count_kills(session, instance);
                    self.spent.push(Spent { session, instance, exec });
                    self.tell(Event::ExecEnded { session, exec, status });
                }
            }
            None => return false,
        }
        true
    }

    fn on_instance_end(&mut self, session: SessionNumber, instance: InstanceIndex, status: ExitStatus) {
        self.count_kills(session, instance);
        let owner = self.state.sessions.get_mut(&session);
        let is_running = owner.as_ref().is_some_and(|owner| owner.is_running());
        let Some(ended) = owner.and_then(|owner| owner.instance_mut(instance)) else { return };
        (ended.process, ended.ended) = (None, Some(status));
        // Whoever else could kill pid 1 does so only on its way out.
        let out_of_memory =
            is_running && status.signal == Some(Signal::SIGKILL as i32) && ended.oom_kills > 0;
        if !ended.changing {
            log::session(session, format_args!("instance {instance} ended: {status:?}"));
            self.tell(Event::InstanceEnded { session, instance, status, out_of_memory });
        }
    }

    /// A worker has told of a process: it may have ended before.
    pub(super) fn settle_early(&mut self, pid: i32) {
        if let Some((status, _)) = self.early_ends.remove(&pid) {
            self.settle(pid, status);
        }
    }
}
