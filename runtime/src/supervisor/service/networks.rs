//! Requests about a session's network: sockets in it, and what tells of its listeners.

use super::starting::unknown_instance;
use super::{Handled, Outcome, Supervisor, refuse};
use crate::supervisor::job::Job;
use crate::supervisor::name::{InstanceIndex, SessionNumber};
use crate::supervisor::protocol::{MAX_DESCRIPTORS, RefusalKind, Reply, Request};
use crate::supervisor::session::Waiter;
use crate::supervisor::worker::Task;

impl Supervisor {
    pub(super) fn open_sockets(&mut self, waiter: Waiter, request: Request) -> Handled {
        let Request::OpenSockets { session, instance, family, count } = request else {
            return Err(refuse(RefusalKind::Invalid, "not an opening of sockets"));
        };
        if !(1..=MAX_DESCRIPTORS).contains(&usize::from(count)) {
            return Err(refuse(
                RefusalKind::Invalid,
                format!("open sockets: the count must be 1 to {MAX_DESCRIPTORS}"),
            ));
        }
        if !self.has_free_worker() {
            return Ok(Outcome::Again(request, Vec::new()));
        }
        let init = self.init_of((session, instance))?;
        let task = Task::HandOver { waiter, reply: Reply::Sockets };
        self.employ(task, Job::OpenSockets { family, count }, &[init])?;
        Ok(Outcome::Later)
    }

    pub(super) fn open_name_server(&mut self, waiter: Waiter, number: SessionNumber) -> Handled {
        if !self.has_free_worker() {
            return Ok(Outcome::Again(Request::OpenNameServer { session: number }, Vec::new()));
        }
        let (_, switch) = self.running(number)?.namespaces()?;
        let none = || refuse(RefusalKind::Invalid, format!("session {number}: it has no network"));
        let switch = switch.ok_or_else(none)?;
        let task = Task::HandOver { waiter, reply: Reply::Sockets };
        self.employ(task, Job::OpenNameServer, &[switch])?;
        Ok(Outcome::Later)
    }

    pub(super) fn watch_listeners(
        &mut self,
        waiter: Waiter,
        session: SessionNumber,
        instance: InstanceIndex,
    ) -> Handled {
        if !self.has_free_worker() {
            return Ok(Outcome::Again(Request::WatchInstance { session, instance }, Vec::new()));
        }
        let init = self.init_of((session, instance))?;
        let failed = |error: crate::cgroup::Error| refuse(RefusalKind::Failed, format!("watch: {error}"));
        let group = self.ground.tree.open_instance(session, instance).map_err(failed)?;
        let group = group.ok_or_else(|| unknown_instance(session, instance))?;
        let cpu = group.cpu_time().map_err(failed)?;
        let task = Task::HandOver { waiter, reply: Reply::Watch };
        self.employ(task, Job::OpenWatch, &[init, cpu.into()])?;
        Ok(Outcome::Later)
    }

    pub(super) fn watch_node(&self) -> Handled {
        let file = self.ground.tree.cpu_time();
        let file = file.map_err(|error| refuse(RefusalKind::Failed, format!("watch: {error}")))?;
        Ok(Outcome::Now(Reply::Watch, vec![file.into()]))
    }
}
