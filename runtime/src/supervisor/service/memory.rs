//! Kills at memory limits: the kernel tells of them by a descriptor for each instance.

use std::os::fd::AsFd;

use nix::poll::PollFlags;

use super::Supervisor;
use crate::cgroup::Error;
use crate::supervisor::log;
use crate::supervisor::name::{InstanceIndex, SessionNumber};
use crate::supervisor::poller::Token;
use crate::supervisor::protocol::Event;

impl Supervisor {
    /// Watches the instances of every running session.
    pub(super) fn watch_memory_of_all(&mut self) {
        let running = self.state.sessions.values().filter(|session| session.is_running());
        let numbers: Vec<SessionNumber> = running.map(|session| session.number).collect();
        for number in numbers {
            self.watch_memory(number);
        }
    }

    /// Watches the instances of a session that are not watched yet.
    pub(super) fn watch_memory(&mut self, number: SessionNumber) {
        let Some(session) = self.state.sessions.get(&number) else { return };
        let indexes: Vec<_> = session.instances.iter().map(|instance| instance.machine.index).collect();
        for index in indexes {
            if let Err(error) = self.watch_instance(number, index) {
                log::session_warn(number, format_args!("watch the memory of instance {index}: {error}"));
            }
        }
    }

    fn watch_instance(&mut self, number: SessionNumber, index: InstanceIndex) -> Result<(), Error> {
        if self.notices.contains_key(&(number, index)) {
            return Ok(());
        }
        let Some(instance) = self.ground.tree.open_instance(number, index)? else { return Ok(()) };
        let notice = instance.oom_notice()?;
        let token = Token::OutOfMemory(number, index);
        let added = match notice.poll_flags().contains(PollFlags::POLLPRI) {
            true => self.poller.add_urgent(notice.as_fd(), token),
            false => self.poller.add(notice.as_fd(), token),
        };
        match added {
            Ok(()) => drop(self.notices.insert((number, index), notice)),
            Err(errno) => {
                log::session_warn(number, format_args!("wait for kills at the memory limit: {errno}"))
            }
        }
        Ok(())
    }

    /// Stops watching a session's instances.
    pub(super) fn forget_memory(&mut self, number: SessionNumber) {
        self.notices.retain(|(session, _), _| *session != number);
    }

    /// The notice may also be the end of the group, so the count decides.
    pub(super) fn on_out_of_memory(&mut self, session: SessionNumber, instance: InstanceIndex) {
        let Some(notice) = self.notices.get_mut(&(session, instance)) else { return };
        if let Err(error) = notice.acknowledge() {
            log::session_warn(
                session,
                format_args!("kills at the memory limit of instance {instance}: {error}"),
            );
            self.notices.remove(&(session, instance));
            return;
        }
        let kills = self.oom_kills(session, instance);
        let owner = self.state.sessions.get_mut(&session);
        let Some(known) = owner.and_then(|owner| owner.instance_mut(instance)) else { return };
        if kills > known.oom_kills {
            known.oom_kills = kills;
            log::session(session, format_args!("instance {instance}: {kills} kills at its memory limit"));
            self.tell(Event::OutOfMemory { session, instance, kills });
        }
    }

    /// Kills at the instance's memory limit so far; 0 when its group has gone.
    pub(super) fn oom_kills(&self, session: SessionNumber, instance: InstanceIndex) -> u64 {
        let group = self.ground.tree.open_instance(session, instance);
        group.and_then(|group| group.map_or(Ok(0), |group| group.oom_kills())).unwrap_or(0)
    }
}
