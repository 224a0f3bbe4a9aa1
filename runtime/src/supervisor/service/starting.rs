//! Starting a session and starting an instance again.

use std::os::fd::OwnedFd;

use super::{Handled, Outcome, Supervisor, refuse};
use crate::supervisor::clock::{self, Moment};
use crate::supervisor::job::{Job, Plug};
use crate::supervisor::layers::LayerSet;
use crate::supervisor::limits;
use crate::supervisor::log;
use crate::supervisor::name::{InstanceIndex, SessionNumber};
use crate::supervisor::protocol::{EndReason, Machine, Refusal, RefusalKind, Reply, Request};
use crate::supervisor::session::{Instance, Phase, Session, Stage, Waiter};
use crate::supervisor::worker::Task;

impl Supervisor {
    pub(super) fn start_session(&mut self, waiter: Waiter, request: Request) -> Handled {
        if !self.has_free_worker() {
            return Ok(Outcome::Again(request, Vec::new()));
        }
        let Request::StartSession { session: number, instances, network, .. } = &request else {
            return Err(refuse(RefusalKind::Invalid, "not a start of a session"));
        };
        self.check_start(*number, instances)?;
        let way = match network.as_ref().and_then(|network| network.egress.as_ref()) {
            Some(egress) => match self.find_way(*number, egress)? {
                Some(way) => Some(way),
                None => return Ok(Outcome::Again(request, Vec::new())),
            },
            None => None,
        };
        let Request::StartSession { session: number, deadline_unix_ms, instances, network } = request else {
            return Err(refuse(RefusalKind::Invalid, "not a start of a session"));
        };
        let mut session = Session::starting(number, deadline_unix_ms, waiter);
        let (disks, mut given) = self.take_disks(&instances);
        let plug = self.take_switch(&mut session, network, &mut given)?;
        let way = way.map(|(way, gateway)| {
            given.push(gateway);
            way
        });
        let job = Job::StartSession { session: number, machines: instances.clone(), disks, plug, way };
        session.instances = instances.into_iter().map(|machine| self.new_instance(machine)).collect();
        self.state.sessions.insert(number, session);
        if let Err(refusal) = self.employ(Task::Start { session: number }, job, &given) {
            self.state.sessions.remove(&number);
            return Err(refusal);
        }
        Ok(Outcome::Later)
    }

    /// Layers that are on their way out cannot be built upon.
    pub(super) fn check_layers(&self, what: &str, machines: &[Machine]) -> Result<(), Refusal> {
        let mut layers = machines.iter().flat_map(|machine| &machine.layers);
        match layers.find(|layer| self.is_being_removed(layer)) {
            Some(layer) => Err(refuse(RefusalKind::Busy, format!("{what}: {layer} is being removed"))),
            None => Ok(()),
        }
    }

    fn check_start(&self, number: SessionNumber, machines: &[Machine]) -> Result<(), Refusal> {
        if self.down.is_some() {
            return Err(refuse(RefusalKind::Busy, "start a session: the node is going down"));
        }
        limits::check_machines(&self.state.node, number, machines)?;
        if self.state.sessions.contains_key(&number) {
            return Err(refuse(RefusalKind::Exists, format!("start session {number}: the number is taken")));
        }
        let most = self.state.node.max_sessions;
        if self.held_sessions() >= most as usize {
            return Err(refuse(
                RefusalKind::Full,
                format!("start session {number}: the node holds {most} already"),
            ));
        }
        self.check_layers(&format!("start session {number}"), machines)
    }

    pub(super) fn new_instance(&mut self, mut machine: Machine) -> Instance {
        let layers = std::mem::take(&mut machine.layers);
        Instance {
            machine,
            layers: self.layer_sets.share(LayerSet::from(layers)),
            process: None,
            ended: None,
            changing: false,
            oom_kills: 0,
            oom_count: 0,
        }
    }

    /// The worker that starts a session is through.
    pub(super) fn on_started(&mut self, number: SessionNumber, result: Result<(), Refusal>) {
        let Some(session) = self.state.sessions.get_mut(&number) else { return };
        let waiter = match &mut session.stage {
            Stage::Starting { waiter } => *waiter,
            // It was ended meanwhile: the way is free now.
            Stage::Ending(ending) => return ending.phase = Phase::Waiting { until: Moment::now() },
            _ => return,
        };
        match result {
            Ok(()) => {
                session.stage = Stage::Running;
                let is_build = session.build.is_some();
                log::session(number, "started");
                self.watch_memory(number);
                let reply = if is_build { Reply::Build { build: number } } else { Reply::Done };
                self.answer(waiter, Ok((reply, Vec::new())));
            }
            Err(refusal) => {
                log::session_warn(number, format_args!("start: {refusal}"));
                self.undo_start(number, waiter, refusal);
            }
        }
    }

    pub(super) fn reboot_instance(
        &mut self,
        waiter: Waiter,
        number: SessionNumber,
        index: InstanceIndex,
    ) -> Handled {
        if !self.has_free_worker() {
            return Ok(Outcome::Again(
                Request::RebootInstance { session: number, instance: index },
                Vec::new(),
            ));
        }
        let session = self.running(number)?;
        let (userns, switch) = session.namespaces()?;
        let instance = session.instance_mut(index).ok_or_else(|| unknown_instance(number, index))?;
        if instance.changing {
            return Err(refuse(
                RefusalKind::Busy,
                format!("reboot instance {index} of session {number}: it is starting"),
            ));
        }
        let old = instance.process.as_ref().map(crate::supervisor::session::Process::pidfd).transpose();
        let old = old.map_err(|error| refuse(RefusalKind::Failed, format!("reboot: {error}")))?;
        let machine = Machine { layers: instance.layers.as_slice().to_vec(), ..instance.machine.clone() };
        instance.changing = true;
        let (plug, has_old) = (Plug::of(switch.as_ref()), old.is_some());
        let given: Vec<OwnedFd> = std::iter::once(userns).chain(switch).chain(old).collect();
        let job = Job::Reboot { session: number, machine, plug, has_old };
        let employed = self.employ(Task::Reboot { session: number, instance: index, waiter }, job, &given);
        if employed.is_err() {
            self.on_rebooted(number, index);
        }
        employed.map(|()| Outcome::Later)
    }

    /// The worker that starts an instance again is through, well or not.
    pub(super) fn on_rebooted(&mut self, number: SessionNumber, index: InstanceIndex) {
        let session = self.state.sessions.get_mut(&number);
        if let Some(instance) = session.and_then(|session| session.instance_mut(index)) {
            instance.changing = false;
        }
        self.watch_memory(number);
    }

    /// Ends sessions whose time is over.
    pub(super) fn end_expired(&mut self) {
        let now = clock::unix_ms();
        let sessions = self.state.sessions.values();
        let due = sessions.filter(|session| session.is_running() && session.deadline_unix_ms <= now);
        let due: Vec<SessionNumber> = due.map(|session| session.number).collect();
        for number in due {
            log::session(number, "its time is over");
            self.begin_end(number, EndReason::Expired, None);
        }
    }
}

/// There is no such instance.
pub(super) fn unknown_instance(number: SessionNumber, index: InstanceIndex) -> Refusal {
    refuse(RefusalKind::Unknown, format!("instance {index} of session {number}: there is none"))
}
