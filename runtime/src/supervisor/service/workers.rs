//! Employing workers, hearing them, and letting them go.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::state::Waiting;
use super::{Supervisor, refuse};
use crate::supervisor::clock::Moment;
use crate::supervisor::codec;
use crate::supervisor::job::Job;
use crate::supervisor::kept::Kept;
use crate::supervisor::log;
use crate::supervisor::name::{InstanceIndex, SessionNumber};
use crate::supervisor::poller::Token;
use crate::supervisor::protocol::{ExitStatus, Refusal, RefusalKind, Reply, Request};
use crate::supervisor::session::{Process, Waiter};
use crate::supervisor::socket::Packet;
use crate::supervisor::worker::{Report, Task, Worker};

/// Workers for requests at once, at most; what comes beyond waits its turn.
const MAX_WORKERS: usize = 24;
/// Reports of one worker taken in one turn of the loop, at most.
const MAX_REPORTS: usize = 40;

impl Supervisor {
    /// Whether a request may have a worker now.
    pub(super) fn has_free_worker(&self) -> bool {
        let for_requests = |worker: &&Worker| {
            !matches!(
                worker.task,
                Task::Clean { .. }
                    | Task::Sweep { .. }
                    | Task::Disk { .. }
                    | Task::SwitchAhead
                    | Task::Gateway { .. }
                    | Task::Archive { .. }
            )
        };
        self.workers.values().filter(for_requests).count() < MAX_WORKERS
    }

    /// Keeps a request until a worker is free.
    pub(super) fn put_off(&mut self, waiter: Waiter, request: Request, descriptors: Vec<OwnedFd>) {
        let descriptors = descriptors.into_iter().map(Kept::from).collect();
        self.state.waiting.push_back(Waiting { waiter, request, descriptors });
    }

    /// Takes up what waited, in its order, as far as workers are free.
    pub(super) fn take_up_waiting(&mut self) {
        for _ in 0..self.state.waiting.len() {
            if !self.has_free_worker() || self.reexec.is_some() {
                break;
            }
            let Some(waiting) = self.state.waiting.pop_front() else { break };
            let descriptors = waiting.descriptors.into_iter().map(OwnedFd::from).collect();
            self.handle(waiting.waiter, waiting.request, descriptors);
        }
    }

    /// Starts a worker.
    pub(super) fn employ(&mut self, task: Task, job: Job, given: &[OwnedFd]) -> Result<(), Refusal> {
        let worker = Worker::start(&self.ground, task, job, given)
            .map_err(|errno| Refusal::failed("start a worker", errno))?;
        self.last_worker += 1;
        let watched = self.poller.add(worker.socket.as_fd(), Token::Worker(self.last_worker));
        if let Err(errno) = watched {
            log::warn(format_args!("watch a worker: {errno}"));
            worker.kill().map_err(|errno| Refusal::failed("end a worker", errno))?;
            return Err(Refusal::failed("watch a worker", errno));
        }
        self.workers.insert(self.last_worker, worker);
        Ok(())
    }

    /// Hears a worker. When it has closed its end, its end is told by SIGCHLD, with the status.
    pub(super) fn on_worker(&mut self, number: u64) {
        if self.hear(number) {
            return;
        }
        let Some(worker) = self.workers.get(&number) else { return };
        if let Err(errno) = self.poller.remove(worker.socket.as_fd()) {
            log::warn(format_args!("watch a worker no longer: {errno}"));
        }
    }

    /// Takes the reports that wait; returns whether more may come.
    fn hear(&mut self, number: u64) -> bool {
        for _ in 0..MAX_REPORTS {
            let Some(worker) = self.workers.get(&number) else { return true };
            match worker.socket.try_recv() {
                Ok(packet) => self.on_report(number, packet),
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
        true
    }

    fn on_report(&mut self, number: u64, packet: Packet) {
        let report = codec::decode(&packet.bytes);
        let mut descriptors = packet.descriptors.into_iter();
        match report {
            Ok(Report::Userns) => self.on_userns(number, descriptors.next()),
            Ok(Report::Switch) => self.on_switch(number, descriptors.next()),
            Ok(Report::Instance { index, pid }) => self.on_instance(number, index, pid, descriptors.next()),
            Ok(Report::Process { pid }) => {
                let Some(worker) = self.workers.get_mut(&number) else { return };
                worker.process = descriptors.next().map(|pidfd| Process::new(pid, pidfd.into()));
                worker.descriptors = descriptors.collect();
            }
            Ok(Report::Opened) => {
                if let Some(worker) = self.workers.get_mut(&number) {
                    worker.descriptors = descriptors.collect();
                }
            }
            Ok(Report::Layers(layers)) => {
                if let Some(worker) = self.workers.get_mut(&number) {
                    worker.layers = Some(layers);
                }
            }
            Ok(Report::PathStat(found)) => {
                if let Some(worker) = self.workers.get_mut(&number) {
                    worker.found = Some(found);
                }
            }
            Ok(Report::Done) => self.finish(number, Ok(())),
            Ok(Report::Refused(refusal)) => self.finish(number, Err(refusal)),
            Err(error) => {
                self.finish(number, Err(refuse(RefusalKind::Failed, format!("hear a worker: {error}"))))
            }
        }
    }

    fn session_of(&self, number: u64) -> Option<SessionNumber> {
        match self.workers.get(&number)?.task {
            Task::Start { session } => Some(session),
            ref task => task.changed(),
        }
    }

    fn on_userns(&mut self, number: u64, userns: Option<OwnedFd>) {
        let session = self.session_of(number).and_then(|session| self.state.sessions.get_mut(&session));
        if let Some(session) = session {
            session.userns = userns.map(Kept::from);
        }
    }

    fn on_switch(&mut self, number: u64, switch: Option<OwnedFd>) {
        let session = self.session_of(number).and_then(|session| self.state.sessions.get_mut(&session));
        if let Some(session) = session {
            session.switch = switch.map(Kept::from);
        }
    }

    fn on_instance(&mut self, number: u64, index: InstanceIndex, pid: i32, pidfd: Option<OwnedFd>) {
        let session = self.session_of(number).and_then(|session| self.state.sessions.get_mut(&session));
        let instance = session.and_then(|session| session.instance_mut(index));
        let (Some(instance), Some(pidfd)) = (instance, pidfd) else { return };
        instance.process = Some(Process::new(pid, pidfd.into()));
        instance.ended = None;
        self.settle_early(pid);
    }

    /// A worker has ended. One that did not say how its work came out has failed.
    pub(super) fn on_worker_end(&mut self, number: u64, status: ExitStatus) {
        let Some(worker) = self.workers.get(&number) else { return };
        let (pid, is_late) = (worker.pid, worker.is_late);
        self.hear(number);
        let message = if is_late {
            "it took too long and was given up".to_owned()
        } else {
            format!("the worker ended early: {status:?}")
        };
        // What has become another program says by its exit code what came of it.
        let is_check = self.workers.get(&number).is_some_and(|worker| matches!(worker.task, Task::Check));
        let is_fine = is_check && status.code == Some(0);
        self.finish(number, if is_fine { Ok(()) } else { Err(refuse(RefusalKind::Failed, message)) });
        self.leaving.remove(&pid);
        if self.workers.is_empty() {
            self.early_ends.clear();
        }
    }

    /// The work of a worker is through: it is let go, and what it was for goes on.
    fn finish(&mut self, number: u64, result: Result<(), Refusal>) {
        let Some(worker) = self.workers.remove(&number) else { return };
        self.leaving.insert(worker.pid);
        let process = worker.process.map(|process| (process.pid, process));
        let pid = process.as_ref().map(|(pid, _)| *pid);
        match worker.task {
            Task::Start { session } => self.on_started(session, result),
            Task::Reboot { session, instance, waiter } => {
                self.on_rebooted(session, instance);
                self.answer(waiter, result.map(|()| (Reply::Done, Vec::new())));
            }
            Task::Add { session, instance, waiter } => self.on_added(session, instance, waiter, result),
            Task::Remove { session, instance, waiter, failed } => {
                self.on_removed(session, instance, waiter, result, failed);
            }
            Task::Terminal { session, terminal, waiter } => {
                let owner = self.state.sessions.get_mut(&session);
                if let Some(entry) = owner.and_then(|owner| owner.terminals.get_mut(&terminal)) {
                    entry.process = process.map(|(_, process)| process);
                    entry.ptmx = worker.descriptors.into_iter().next().map(Kept::from);
                }
                self.on_terminal_opened(session, terminal, waiter, result);
            }
            Task::Exec { session, exec, waiter } => {
                let owner = self.state.sessions.get_mut(&session);
                if let Some(entry) = owner.and_then(|owner| owner.execs.get_mut(&exec)) {
                    entry.process = process.map(|(_, process)| process);
                }
                self.on_exec_started(session, exec, waiter, result, worker.descriptors);
            }
            Task::Sweep { instances } => {
                for (session, instance) in instances {
                    self.count_kills(session, instance);
                }
                if let Err(refusal) = result {
                    log::warn(format_args!("remove groups of ended execs: {refusal}"));
                }
            }
            Task::Check => self.on_checked(result),
            Task::Disk { bytes, number } => {
                self.on_disk_made(bytes, number, result, worker.descriptors.into_iter().next());
            }
            Task::Gateway { network } => self.on_gateway_made(network, result, worker.descriptors),
            Task::SwitchAhead => self.on_switch_made(result, worker.descriptors.into_iter().next()),
            Task::Clean { session } => self.on_cleaned(session, result),
            Task::Layer { waiter, .. } => self.answer(waiter, result.map(|()| (Reply::Done, Vec::new()))),
            Task::Archive { waiter, .. } => {
                let reply = worker.found.map_or(Reply::Done, Reply::PathStat);
                self.answer(waiter, result.map(|()| (reply, Vec::new())));
            }
            Task::HandOver { waiter, reply } => {
                self.answer(waiter, result.map(|()| (reply, worker.descriptors)));
            }
            Task::Plain { waiter } => {
                let reply = worker.layers.map_or(Reply::Done, |layers| Reply::Layers { layers });
                self.answer(waiter, result.map(|()| (reply, Vec::new())));
            }
        }
        if let Some(pid) = pid {
            self.settle_early(pid);
        }
    }

    /// Kills workers whose time is over.
    pub(super) fn kill_late_workers(&mut self) {
        let now = Moment::now();
        for worker in self.workers.values_mut().filter(|worker| worker.until <= now && !worker.is_late) {
            worker.is_late = true;
            log::warn(format_args!("a worker took too long: {:?}", worker.task));
            if let Err(errno) = worker.kill() {
                log::warn(format_args!("kill a worker: {errno}"));
            }
        }
    }

    /// Kills the worker that starts this session.
    pub(super) fn kill_starter(&self, number: SessionNumber) {
        self.kill_workers(number, |task| matches!(task, Task::Start { session } if *session == number));
    }

    /// Kills the workers that read or write files of this session.
    pub(super) fn kill_archivers(&self, number: SessionNumber) {
        self.kill_workers(number, |task| matches!(task, Task::Archive { session, .. } if *session == number));
    }

    /// Kills the workers that change instances of this session; says whether there were any.
    pub(super) fn kill_changers(&self, number: SessionNumber) -> bool {
        let is_one = |task: &Task| task.changed() == Some(number);
        self.kill_workers(number, is_one);
        self.workers.values().any(|worker| is_one(&worker.task))
    }

    fn kill_workers(&self, number: SessionNumber, which: impl Fn(&Task) -> bool) {
        for worker in self.workers.values().filter(|worker| which(&worker.task)) {
            if let Err(errno) = worker.kill() {
                log::session_warn(number, format_args!("end a worker: {errno}"));
            }
        }
    }
}
