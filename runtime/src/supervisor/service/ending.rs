//! The end of a session, of the node, and of what an earlier supervisor left. Every step may be repeated.

use std::time::Duration;

use super::Supervisor;
use crate::supervisor::clock::Moment;
use crate::supervisor::job::Job;
use crate::supervisor::log;
use crate::supervisor::name::SessionNumber;
use crate::supervisor::protocol::{EndReason, Event, Refusal, Reply};
use crate::supervisor::session::{Ending, FailedStart, Phase, Session, Stage, Waiter};
use crate::supervisor::worker::Task;

/// Between being asked to end and being killed.
const GRACE: Duration = Duration::from_secs(2);
/// How long a killed worker may take to be gone.
const STARTER_TIME: Duration = Duration::from_secs(5);
/// Between two rounds of cleaning, longer with each failure.
const RETRY: Duration = Duration::from_secs(1);
/// The longest of these waits.
const LONGEST_RETRY: Duration = Duration::from_secs(30);
/// Between two looks at the dead, longer with each look.
const NEXT_LOOK: Duration = Duration::from_millis(3);
/// Workers that clean at once, at most; the end of a node with hundreds of sessions goes in such groups.
const MAX_CLEANERS: usize = 16;

impl Supervisor {
    /// Sends a session on its way out, or lets one more wait for it.
    pub(super) fn begin_end(&mut self, number: SessionNumber, reason: EndReason, waiter: Option<Waiter>) {
        let Some(session) = self.state.sessions.get_mut(&number) else { return };
        match &mut session.stage {
            Stage::Gone(_) => {}
            Stage::Ending(ending) => {
                ending.waiters.extend(waiter);
                if matches!(ending.phase, Phase::Waiting { .. }) {
                    ending.phase = Phase::Waiting { until: Moment::now() };
                }
            }
            Stage::Starting { waiter: starter } => {
                let refusal = super::refuse(
                    crate::supervisor::protocol::RefusalKind::Busy,
                    format!("start session {number}: it was ended meanwhile"),
                );
                let failed = FailedStart { waiter: *starter, refusal };
                // The worker that starts it is killed; its end brings the next phase nearer.
                let until = Moment::now().after(STARTER_TIME);
                session.stage = Stage::Ending(ending(reason, Phase::Waiting { until }, waiter));
                if let Stage::Ending(ending) = &mut session.stage {
                    ending.failed_start = Some(failed);
                }
                self.kill_starter(number);
            }
            Stage::Running => self.ask_to_end(number, reason, waiter),
        }
    }

    fn ask_to_end(&mut self, number: SessionNumber, reason: EndReason, waiter: Option<Waiter>) {
        let Some(session) = self.state.sessions.get_mut(&number) else { return };
        for errno in session.ask_to_end() {
            log::session_warn(number, format_args!("ask a process to end: {errno}"));
        }
        // Nobody works in a build who would have to be asked.
        let is_asked = session.has_processes() && session.build.is_none();
        let until = Moment::now().after(if is_asked { GRACE } else { Duration::ZERO });
        session.stage = Stage::Ending(ending(reason, Phase::HangUp { until }, waiter));
        log::session(number, format_args!("ending: {reason:?}"));
    }

    /// A start failed: what was made is undone before the answer is given.
    pub(super) fn undo_start(&mut self, number: SessionNumber, starter: Waiter, refusal: Refusal) {
        let Some(session) = self.state.sessions.get_mut(&number) else { return };
        let phase = Phase::Waiting { until: Moment::now() };
        let mut undo = ending(EndReason::StartFailed, phase, None);
        undo.failed_start = Some(FailedStart { waiter: starter, refusal });
        session.stage = Stage::Ending(undo);
        self.continue_ends();
    }

    /// Takes every session whose moment has come one phase further.
    pub(super) fn continue_ends(&mut self) {
        let now = Moment::now();
        let due: Vec<SessionNumber> =
            self.state.sessions.values().filter(|session| is_due(session, now)).map(|s| s.number).collect();
        for number in due {
            if self.cleaners() >= MAX_CLEANERS {
                break;
            }
            self.clean(number);
        }
    }

    fn cleaners(&self) -> usize {
        self.workers.values().filter(|worker| matches!(worker.task, Task::Clean { .. })).count()
    }

    /// Kills what is left, drops the descriptors and sends a worker after the rest.
    fn clean(&mut self, number: SessionNumber) {
        if self.kill_changers(number) {
            return self.look_again(number);
        }
        self.forget_memory(number);
        self.kill_archivers(number);
        let Some(session) = self.state.sessions.get_mut(&number) else { return };
        for errno in session.kill() {
            log::session_warn(number, format_args!("kill pid 1: {errno}"));
        }
        session.drop_descriptors();
        if let Stage::Ending(ending) = &mut session.stage {
            ending.phase = Phase::Cleaning;
        }
        if let Err(refusal) =
            self.employ(Task::Clean { session: number }, Job::Clean { session: number }, &[])
        {
            self.on_cleaned(number, Err(refusal));
        }
    }

    /// What was killed a moment ago must be gone before anything is removed under its hands.
    fn look_again(&mut self, number: SessionNumber) {
        let session = self.state.sessions.get_mut(&number);
        if let Some(Stage::Ending(ending)) = session.map(|session| &mut session.stage) {
            ending.phase = Phase::Waiting { until: Moment::now().after(NEXT_LOOK) };
        }
    }

    /// The worker that cleans is through.
    pub(super) fn on_cleaned(&mut self, number: SessionNumber, result: Result<(), Refusal>) {
        match result {
            Ok(()) if self.waits_for_dead(number) => {}
            Ok(()) => self.on_gone(number),
            Err(refusal) => self.on_clean_failed(number, &refusal),
        }
    }

    /// The dead that were not yet waited for still have their ids. Their signal is on its way; another round is cheap.
    fn waits_for_dead(&mut self, number: SessionNumber) -> bool {
        self.reap();
        let Some(session) = self.state.sessions.get_mut(&number) else { return false };
        let waits = session.has_processes();
        if let Stage::Ending(ending) = &mut session.stage
            && waits
        {
            ending.failures += 1;
            let until = Moment::now().after(NEXT_LOOK.saturating_mul(ending.failures).min(RETRY));
            ending.phase = Phase::Waiting { until };
        }
        waits
    }

    fn on_clean_failed(&mut self, number: SessionNumber, refusal: &Refusal) {
        log::session_warn(number, format_args!("clean: {refusal}"));
        let Some(session) = self.state.sessions.get_mut(&number) else { return };
        let Stage::Ending(ending) = &mut session.stage else { return };
        ending.failures += 1;
        let wait = RETRY.saturating_mul(ending.failures).min(LONGEST_RETRY);
        ending.phase = Phase::Waiting { until: Moment::now().after(wait) };
        let starter = ending.failed_start.take();
        let waiters = std::mem::take(&mut ending.waiters);
        ending.announce |= !waiters.is_empty();
        for waiter in waiters {
            self.answer(waiter, Err(refusal.clone()));
        }
        if let Some(start) = starter {
            self.answer(start.waiter, Err(start.refusal));
        }
    }

    fn on_gone(&mut self, number: SessionNumber) {
        let Some(session) = self.state.sessions.get_mut(&number) else { return };
        let Stage::Ending(ending) = &mut session.stage else { return };
        let reason = ending.reason;
        let (waiters, starter) = (std::mem::take(&mut ending.waiters), ending.failed_start.take());
        let announce = ending.announce;
        session.stage = Stage::Gone(reason);
        session.terminals.clear();
        session.execs.clear();
        log::session(number, format_args!("nothing of it is left: {reason:?}"));
        // The number of a start that failed is free at once, and nobody knows of what another supervisor left.
        let is_build = session.build.is_some();
        if (starter.is_some() && waiters.is_empty()) || session.leftover || is_build {
            self.state.sessions.remove(&number);
        }
        for waiter in waiters {
            self.answer(waiter, Ok((Reply::Done, Vec::new())));
        }
        if let Some(start) = starter {
            self.answer(start.waiter, Err(start.refusal));
        }
        if announce && !is_build {
            self.tell(Event::SessionEnded { session: number, reason });
        }
    }

    /// Ends every session, then the node.
    pub(super) fn begin_down(&mut self, waiter: Option<Waiter>) {
        self.down.get_or_insert_default().extend(waiter);
        let numbers: Vec<SessionNumber> = self.state.sessions.keys().copied().collect();
        for number in numbers {
            self.begin_end(number, EndReason::Operator, None);
        }
    }

    /// Whether the node is to end and nothing is left of its sessions.
    pub(super) fn is_down(&self) -> bool {
        self.down.is_some() && self.held().next().is_none() && self.workers.is_empty()
    }

    /// The last step: the socket goes, which tells the guardian that this end is meant.
    pub(super) fn leave(&mut self) {
        self.restore_host();
        let path = self.state.node.socket_path();
        if let Err(error) = std::fs::remove_file(&path) {
            log::warn(format_args!("remove `{}`: {error}", path.display()));
        }
        for waiter in self.down.take().unwrap_or_default() {
            self.answer(waiter, Ok((Reply::Done, Vec::new())));
        }
        log::info("down");
    }
}

fn ending(reason: EndReason, phase: Phase, waiter: Option<Waiter>) -> Ending {
    // An end that nobody asked for is told to everybody.
    let announce = waiter.is_none() && reason != EndReason::StartFailed;
    Ending { reason, phase, waiters: waiter.into_iter().collect(), failed_start: None, announce, failures: 0 }
}

/// Whether the session's phase is over.
fn is_due(session: &Session, now: Moment) -> bool {
    let Stage::Ending(ending) = &session.stage else { return false };
    match ending.phase {
        Phase::HangUp { until } => until <= now || !session.has_processes(),
        Phase::Waiting { until } => until <= now,
        Phase::Cleaning => false,
    }
}
