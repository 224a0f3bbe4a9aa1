//! Kills at memory limits: the kernel tells of them by a descriptor for each instance.

use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::PollFlags;

use super::Supervisor;
use crate::cgroup::Error;
use crate::supervisor::clock::Moment;
use crate::supervisor::log;
use crate::supervisor::name::{InstanceIndex, SessionNumber};
use crate::supervisor::poller::Token;
use crate::supervisor::protocol::Event;

/// From a notice until the kill is surely counted.
const RECOUNT: Duration = Duration::from_millis(50);

impl Supervisor {
    /// Watches the instances of every running session.
    pub(super) fn watch_memory_of_all(&mut self) {
        let running = self.state.sessions.values().filter(|session| session.is_running());
        let numbers: Vec<SessionNumber> = running.map(|session| session.number).collect();
        for number in numbers {
            self.watch_memory(number);
        }
    }

    /// Watches the instances of a session that are not watched yet; once it is ending, nothing is to be held open.
    pub(super) fn watch_memory(&mut self, number: SessionNumber) {
        let session = self.state.sessions.get(&number).filter(|session| session.is_running());
        let Some(session) = session else { return };
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
        self.count_kills(session, instance);
        // The notice comes before the kernel counts the kill.
        self.recounts.insert((session, instance), Moment::now().after(RECOUNT));
    }

    /// Reads the counts again whose notice came a moment ago.
    pub(super) fn recount(&mut self) {
        let now = Moment::now();
        let due: Vec<_> = self.recounts.iter().filter(|(_, at)| **at <= now).map(|(of, _)| *of).collect();
        for (session, instance) in due {
            self.recounts.remove(&(session, instance));
            self.count_kills(session, instance);
        }
    }

    /// Reads the kernel's count of kills and tells if it has grown.
    pub(super) fn count_kills(&mut self, session: SessionNumber, instance: InstanceIndex) {
        let group = self.ground.tree.open_instance(session, instance);
        let count = group.and_then(|group| group.map_or(Ok(0), |group| group.oom_kills())).unwrap_or(0);
        let owner = self.state.sessions.get_mut(&session);
        let Some(known) = owner.and_then(|owner| owner.instance_mut(instance)) else { return };
        let new = count.saturating_sub(known.oom_count);
        known.oom_count = count;
        if new > 0 {
            known.oom_kills += new;
            let kills = known.oom_kills;
            log::session(session, format_args!("instance {instance}: {kills} kills at its memory limit"));
            self.tell(Event::OutOfMemory { session, instance, kills });
        }
    }
}
