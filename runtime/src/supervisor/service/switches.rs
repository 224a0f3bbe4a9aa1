//! Switches of sessions: a few are made ahead, while nothing else is to be done.

use std::os::fd::OwnedFd;
use std::time::Duration;

use super::{Supervisor, refuse};
use crate::supervisor::clock::Moment;
use crate::supervisor::job::{Job, Plug};
use crate::supervisor::log;
use crate::supervisor::protocol::{Network, Refusal, RefusalKind};
use crate::supervisor::session::Session;
use crate::supervisor::worker::Task;

/// After a failure none is made for so long.
const PAUSE: Duration = Duration::from_secs(60);
/// The node rests when no worker has run for so long: a terminal follows a start at once.
const REST: Duration = Duration::from_millis(50);

/// What is ready, and whether more is wanted.
#[derive(Debug, Default)]
pub(super) struct Switches {
    ready: Vec<OwnedFd>,
    /// Set with the first session that has a network.
    wanted: bool,
    /// None is made before.
    not_before: Option<Moment>,
}

impl Supervisor {
    /// Gives a session that is about to start a switch that was made ahead, if there is one and it wants one.
    pub(super) fn take_switch(
        &mut self,
        session: &mut Session,
        network: Option<Network>,
        given: &mut Vec<OwnedFd>,
    ) -> Result<Plug, Refusal> {
        session.network = network;
        if session.network.is_none() {
            return Ok(Plug::Nowhere);
        }
        self.switches.wanted = true;
        let Some(switch) = self.switches.ready.pop() else { return Ok(Plug::New) };
        let own = switch.try_clone();
        session.switch =
            Some(own.map_err(|error| refuse(RefusalKind::Failed, format!("take a switch: {error}")))?.into());
        given.push(switch);
        Ok(Plug::Ready)
    }

    /// When the next one is made, if one is wanted.
    pub(super) fn next_switch(&self) -> Option<Moment> {
        let lacks = self.switches.ready.len() < self.ground.node.ready_networks as usize;
        let rests = self.workers.is_empty() && self.reexec.is_none() && self.down.is_none();
        self.switches.not_before.filter(|_| self.switches.wanted && lacks && rests)
    }

    /// Makes one, if nobody waits for anything and one is wanted.
    pub(super) fn make_switch_ahead(&mut self) {
        if !self.workers.is_empty() {
            self.put_switches_off(REST);
        }
        if self.next_switch().is_none_or(|at| at > Moment::now()) {
            return;
        }
        if let Err(refusal) = self.employ(Task::SwitchAhead, Job::Switch, &[]) {
            self.on_switch_made(Err(refusal), None);
        }
    }

    /// The worker that made one is through.
    pub(super) fn on_switch_made(&mut self, result: Result<(), Refusal>, switch: Option<OwnedFd>) {
        match result {
            Ok(()) => self.switches.ready.extend(switch),
            Err(refusal) => {
                log::warn(format_args!("make a switch ahead: {refusal}"));
                self.put_switches_off(PAUSE);
            }
        }
    }

    fn put_switches_off(&mut self, time: Duration) {
        let at = Moment::now().after(time);
        self.switches.not_before = Some(self.switches.not_before.map_or(at, |before| before.max(at)));
    }
}
