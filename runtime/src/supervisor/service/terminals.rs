//! Terminals: opened by a worker, kept for the next serve, hung up, forgotten.

use std::os::fd::{AsFd, OwnedFd};

use nix::sys::signal::Signal;

use super::execs::too_many;
use super::starting::unknown_instance;
use super::{Handled, Outcome, Supervisor, refuse};
use crate::ring::{DEFAULT_CAPACITY, Ring};
use crate::supervisor::job::{Job, Seat};
use crate::supervisor::kept::Kept;
use crate::supervisor::limits;
use crate::supervisor::log;
use crate::supervisor::name::{InstanceIndex, SessionNumber, TerminalNumber};
use crate::supervisor::protocol::{Refusal, RefusalKind, Reply, Request};
use crate::supervisor::session::{Terminal, Waiter};
use crate::supervisor::worker::Task;

impl Supervisor {
    pub(super) fn open_terminal(&mut self, waiter: Waiter, request: Request) -> Handled {
        if !self.has_free_worker() {
            return Ok(Outcome::Again(request, Vec::new()));
        }
        let Request::OpenTerminal { session: number, instance, terminal, command, size } = request else {
            return Err(refuse(RefusalKind::Invalid, "not an opening of a terminal"));
        };
        limits::check_command(&command, true)?;
        limits::check_size(size)?;
        let (seat, init) = self.seat(number, instance)?;
        let session = self.running(number)?;
        if session.terminals.contains_key(&terminal) {
            return Err(refuse(
                RefusalKind::Exists,
                format!("terminal {} of session {number} exists", terminal.0),
            ));
        }
        let opening = Terminal { instance, process: None, ended: None, ptmx: None, ring: None };
        session.terminals.insert(terminal, opening);
        let job = Job::OpenTerminal { seat, command, size };
        let task = Task::Terminal { session: number, terminal, waiter };
        let employed = self.employ(task, job, &[init]);
        if employed.is_err() {
            self.drop_terminal(number, terminal);
        }
        employed.map(|()| Outcome::Later)
    }

    /// What a worker needs to know to join an instance, and the pidfd of its pid 1.
    pub(super) fn seat(
        &mut self,
        number: SessionNumber,
        index: InstanceIndex,
    ) -> Result<(Seat, OwnedFd), Refusal> {
        if self.running(number)?.processes() >= crate::supervisor::protocol::MAX_PROCESSES_PER_SESSION {
            return Err(too_many(number));
        }
        let init = self.init_of((number, index))?;
        let instance = self.running(number)?.instance(index);
        let instance = instance.ok_or_else(|| unknown_instance(number, index))?;
        Ok((Seat { session: number, machine: instance.machine.clone() }, init))
    }

    /// The pidfd of pid 1 of an instance that runs.
    pub(super) fn init_of(
        &mut self,
        (number, index): (SessionNumber, InstanceIndex),
    ) -> Result<OwnedFd, Refusal> {
        let session = self.running(number)?;
        let instance = session.instance(index).ok_or_else(|| unknown_instance(number, index))?;
        let not_now = |why| refuse(RefusalKind::Busy, format!("instance {index} of session {number}: {why}"));
        if instance.changing {
            return Err(not_now("it is starting"));
        }
        let process = instance.process.as_ref().ok_or_else(|| not_now("it has ended"))?;
        process.pidfd().map_err(|error| refuse(RefusalKind::Failed, format!("join: {error}")))
    }

    /// The worker that opens a terminal is through.
    pub(super) fn on_terminal_opened(
        &mut self,
        number: SessionNumber,
        terminal: TerminalNumber,
        waiter: Waiter,
        result: Result<(), Refusal>,
    ) {
        if let Err(refusal) = result {
            self.drop_terminal(number, terminal);
            return self.answer(waiter, Err(refusal));
        }
        let given = Ring::create(DEFAULT_CAPACITY).and_then(|ring| ring.as_fd().try_clone_to_owned());
        let session = self.state.sessions.get_mut(&number);
        let Some(entry) = session.and_then(|session| session.terminals.get_mut(&terminal)) else { return };
        match given {
            Ok(ring) => {
                entry.ring = Some(ring.into());
                let handed = self.hand_over(number, terminal);
                self.answer(waiter, handed);
            }
            Err(error) => {
                log::session_warn(number, format_args!("make a ring: {error}"));
                self.drop_terminal(number, terminal);
                self.answer(
                    waiter,
                    Err(refuse(RefusalKind::Failed, "open a terminal: no memory for its ring")),
                );
            }
        }
    }

    fn drop_terminal(&mut self, number: SessionNumber, terminal: TerminalNumber) {
        let Some(session) = self.state.sessions.get_mut(&number) else { return };
        if let Some(dropped) = session.terminals.remove(&terminal) {
            hang_up(number, dropped);
        }
    }

    pub(super) fn take_terminal(&mut self, number: SessionNumber, terminal: TerminalNumber) -> Handled {
        self.session(number)?;
        let (reply, descriptors) = self.hand_over(number, terminal)?;
        Ok(Outcome::Now(reply, descriptors))
    }

    fn hand_over(
        &self,
        number: SessionNumber,
        terminal: TerminalNumber,
    ) -> Result<(Reply, Vec<OwnedFd>), Refusal> {
        let found = self.session(number)?.terminals.get(&terminal);
        let found = found.ok_or_else(|| unknown_terminal(number, terminal))?;
        let (Some(ptmx), Some(ring)) = (&found.ptmx, &found.ring) else {
            return Err(unknown_terminal(number, terminal));
        };
        let pair = ptmx.duplicate().and_then(|ptmx| Ok(vec![ptmx, ring.duplicate()?]));
        let pair =
            pair.map_err(|error| refuse(RefusalKind::Failed, format!("hand a terminal over: {error}")))?;
        Ok((Reply::Terminal, pair))
    }

    pub(super) fn hang_up_terminal(&mut self, number: SessionNumber, terminal: TerminalNumber) -> Handled {
        let session = self.state.sessions.get_mut(&number);
        let session = session.ok_or_else(|| super::requests::unknown_session(number))?;
        let found = session.terminals.get_mut(&terminal).ok_or_else(|| unknown_terminal(number, terminal))?;
        if found.ring.is_none() {
            return Err(refuse(RefusalKind::Busy, format!("terminal {} is being opened", terminal.0)));
        }
        found.ptmx = None;
        if let Some(process) = &found.process {
            let told = process.signal(Signal::SIGHUP).and_then(|()| process.signal(Signal::SIGCONT));
            told.map_err(|errno| refuse(RefusalKind::Failed, format!("hang up: {errno}")))?;
        }
        Outcome::DONE
    }

    pub(super) fn forget_terminal(&mut self, number: SessionNumber, terminal: TerminalNumber) -> Handled {
        let Some(session) = self.state.sessions.get_mut(&number) else { return Outcome::DONE };
        match session.terminals.get(&terminal) {
            None => Outcome::DONE,
            Some(found) if found.ended.is_some() => {
                session.terminals.remove(&terminal);
                Outcome::DONE
            }
            Some(_) => {
                Err(refuse(RefusalKind::Busy, format!("forget terminal {}: it has not ended", terminal.0)))
            }
        }
    }
}

fn hang_up(number: SessionNumber, terminal: Terminal) {
    drop::<Option<Kept>>(terminal.ptmx);
    if let Some(Err(errno)) = terminal.process.map(|process| process.signal(Signal::SIGHUP)) {
        log::session_warn(number, format_args!("hang up: {errno}"));
    }
}

fn unknown_terminal(number: SessionNumber, terminal: TerminalNumber) -> Refusal {
    refuse(RefusalKind::Unknown, format!("terminal {} of session {number}: there is none", terminal.0))
}
