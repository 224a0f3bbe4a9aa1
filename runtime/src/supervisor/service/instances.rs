//! One more instance of a session that runs, and one less.

use std::os::fd::OwnedFd;

use super::starting::unknown_instance;
use super::{Handled, Outcome, Supervisor, refuse};
use crate::supervisor::job::{Job, Plug};
use crate::supervisor::limits;
use crate::supervisor::log;
use crate::supervisor::name::{InstanceIndex, SessionNumber};
use crate::supervisor::protocol::{Machine, Refusal, RefusalKind, Reply, Request};
use crate::supervisor::session::{Process, Waiter};
use crate::supervisor::worker::Task;

impl Supervisor {
    pub(super) fn add_instance(&mut self, waiter: Waiter, request: Request) -> Handled {
        if !self.has_free_worker() {
            return Ok(Outcome::Again(request, Vec::new()));
        }
        let Request::AddInstance { session: number, machine } = request else {
            return Err(refuse(RefusalKind::Invalid, "not one more instance"));
        };
        let index = machine.index;
        self.check_addition(number, &machine)?;
        let (userns, switch) = self.running(number)?.namespaces()?;
        let (disks, mut given) = self.take_disks(std::slice::from_ref(&machine));
        let plug = Plug::of(switch.as_ref());
        given.extend(switch);
        given.push(userns);
        let mut instance = self.new_instance(machine.clone());
        instance.changing = true;
        self.running(number)?.instances.push(instance);
        let job = Job::AddInstance { session: number, machine, disks, plug };
        let employed = self.employ(Task::Add { session: number, instance: index, waiter }, job, &given);
        if employed.is_err() {
            self.drop_instance(number, index);
        }
        employed.map(|()| Outcome::Later)
    }

    fn check_addition(&mut self, number: SessionNumber, machine: &Machine) -> Result<(), Refusal> {
        let what = format!("add instance {} to session {number}", machine.index);
        limits::check_machine(&self.state.node.ceiling, machine)?;
        self.check_layers(&what, std::slice::from_ref(machine))?;
        match self.running(number)?.instance(machine.index) {
            Some(_) => Err(refuse(RefusalKind::Exists, format!("{what}: there is one"))),
            None => Ok(()),
        }
    }

    /// The worker that adds an instance is through. What it left after a failure is removed before the answer.
    pub(super) fn on_added(
        &mut self,
        number: SessionNumber,
        index: InstanceIndex,
        waiter: Waiter,
        result: Result<(), Refusal>,
    ) {
        let Err(refusal) = result else {
            self.on_rebooted(number, index);
            return self.answer(waiter, Ok((Reply::Done, Vec::new())));
        };
        log::session_warn(number, format_args!("add instance {index}: {refusal}"));
        let removing = self.employ_remover(number, index, waiter, Some(refusal.clone()));
        if removing.is_err() {
            self.drop_instance(number, index);
            self.answer(waiter, Err(refusal));
        }
    }

    pub(super) fn remove_instance(
        &mut self,
        waiter: Waiter,
        number: SessionNumber,
        index: InstanceIndex,
    ) -> Handled {
        if !self.has_free_worker() {
            let request = Request::RemoveInstance { session: number, instance: index };
            return Ok(Outcome::Again(request, Vec::new()));
        }
        let session = self.running(number)?;
        let instance = session.instance_mut(index).ok_or_else(|| unknown_instance(number, index))?;
        if instance.changing {
            let message = format!("remove instance {index} of session {number}: it is starting or ending");
            return Err(refuse(RefusalKind::Busy, message));
        }
        self.employ_remover(number, index, waiter, None).map(|()| Outcome::Later)
    }

    fn employ_remover(
        &mut self,
        number: SessionNumber,
        index: InstanceIndex,
        waiter: Waiter,
        failed: Option<Refusal>,
    ) -> Result<(), Refusal> {
        let session = self.running(number)?;
        let (_, switch) = session.namespaces()?;
        let instance = session.instance_mut(index).ok_or_else(|| unknown_instance(number, index))?;
        let old = instance.process.as_ref().map(Process::pidfd).transpose();
        let old = old.map_err(|error| refuse(RefusalKind::Failed, format!("remove: {error}")))?;
        instance.changing = true;
        let (plug, has_old) = (Plug::of(switch.as_ref()), old.is_some());
        let given: Vec<OwnedFd> = switch.into_iter().chain(old).collect();
        let job = Job::RemoveInstance { session: number, instance: index, plug, has_old };
        let employed =
            self.employ(Task::Remove { session: number, instance: index, waiter, failed }, job, &given);
        if employed.is_err() {
            self.on_rebooted(number, index);
        }
        employed
    }

    /// The worker that removes an instance is through. One that could not be removed stays, and may be removed again.
    pub(super) fn on_removed(
        &mut self,
        number: SessionNumber,
        index: InstanceIndex,
        waiter: Waiter,
        result: Result<(), Refusal>,
        failed: Option<Refusal>,
    ) {
        self.reap();
        match &result {
            Ok(()) => self.drop_instance(number, index),
            Err(refusal) => {
                log::session_warn(number, format_args!("remove instance {index}: {refusal}"));
                self.on_rebooted(number, index);
            }
        }
        let answer = failed.map_or(result, Err);
        self.answer(waiter, answer.map(|()| (Reply::Done, Vec::new())));
    }

    fn drop_instance(&mut self, number: SessionNumber, index: InstanceIndex) {
        self.notices.remove(&(number, index));
        self.recounts.remove(&(number, index));
        if let Some(session) = self.state.sessions.get_mut(&number) {
            session.instances.retain(|instance| instance.machine.index != index);
        }
    }
}
