//! Replacing the program by the file at its own path, with every descriptor, session and client.
//!
//! ```text
//! asked --> clients are no longer read --> workers are through --> the new program reads the state in a worker
//!                                                                   | it cannot          | it can
//!             go on as before, refuse <------------------------------+                    v
//!                                                                       state in a memfd, execve, answer
//! ```

use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::time::Duration;

use super::{Handled, Outcome, Supervisor, refuse};
use crate::supervisor::clock::Moment;
use crate::supervisor::job::Job;
use crate::supervisor::protocol::{Refusal, RefusalKind, Reply};
use crate::supervisor::session::Waiter;
use crate::supervisor::worker::Task;
use crate::supervisor::{log, role, start};
use crate::sys::close;

/// How long workers may hold a re-exec up.
const PATIENCE: Duration = Duration::from_secs(20);

/// A re-exec on its way.
#[derive(Debug)]
pub(super) struct Reexec {
    /// Who asked, if it was a client.
    pub(super) waiter: Option<Waiter>,
    /// When it is given up.
    pub(super) until: Moment,
    /// Whether the new program said that it can go on.
    stage: Stage,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    WorkersRun,
    Checking,
    Proven,
}

impl Supervisor {
    pub(super) fn reexec(&mut self, waiter: Waiter) -> Handled {
        if self.reexec.is_some() || self.down.is_some() {
            return Err(refuse(RefusalKind::Busy, "replace the program: the node is at it already"));
        }
        self.ask_for_reexec(Some(waiter));
        Ok(Outcome::Later)
    }

    pub(super) fn ask_for_reexec(&mut self, waiter: Option<Waiter>) {
        if self.reexec.is_none() && self.down.is_none() {
            log::info(format_args!("replacing the program by `{}`", self.state.program.display()));
            self.reexec =
                Some(Reexec { waiter, until: Moment::now().after(PATIENCE), stage: Stage::WorkersRun });
            self.update_interests();
        }
    }

    /// Takes a re-exec one step further, as far as workers let it.
    pub(super) fn replace_if_due(&mut self) {
        let Some(reexec) = &self.reexec else { return };
        if reexec.until <= Moment::now() && reexec.stage != Stage::Checking {
            return self.give_reexec_up("workers are still busy");
        }
        if !self.workers.is_empty() || !self.leaving.is_empty() {
            return;
        }
        match reexec.stage {
            Stage::WorkersRun => self.check_program(),
            Stage::Checking => {}
            Stage::Proven => self.replace(),
        }
    }

    fn check_program(&mut self) {
        let job = Job::Check { program: self.state.program.clone() };
        let written = start::write(&self.state);
        let employed = match written {
            Ok(state) => self.employ(Task::Check, job, &[state]).map_err(|refusal| refusal.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match employed {
            Ok(()) => self.set_stage(Stage::Checking),
            Err(error) => self.give_reexec_up(&error),
        }
    }

    fn set_stage(&mut self, stage: Stage) {
        if let Some(reexec) = &mut self.reexec {
            reexec.stage = stage;
        }
    }

    /// The new program has said whether it can go on.
    pub(super) fn on_checked(&mut self, result: Result<(), Refusal>) {
        match result {
            Ok(()) => self.set_stage(Stage::Proven),
            Err(refusal) => self.give_reexec_up(&format!("the new program cannot go on: {refusal}")),
        }
    }

    fn give_reexec_up(&mut self, why: &str) {
        log::warn(format_args!("the program stays as it is: {why}"));
        // What was written down may survive exec; a worker's program must not get it.
        if let Err(errno) = close::close_all_on_exec() {
            log::warn(format_args!("keep descriptors from programs: {errno}"));
        }
        self.state.reexec_waiter = None;
        let Some(reexec) = self.reexec.take() else { return };
        self.update_interests();
        if let Some(waiter) = reexec.waiter {
            self.answer(waiter, Err(refuse(RefusalKind::Failed, format!("replace the program: {why}"))));
        }
    }

    /// Returns only when the program could not be replaced.
    fn replace(&mut self) {
        self.state.reexec_waiter = self.reexec.as_ref().and_then(|reexec| reexec.waiter);
        let error = match start::write(&self.state) {
            Ok(state) => {
                let number = state.as_raw_fd().to_string();
                let words = [Path::new("--resume"), Path::new(&number)];
                let Err(error) = role::replace(&self.state.program, &words, &[state.as_fd()]);
                error
            }
            Err(error) => error,
        };
        self.give_reexec_up(&error.to_string());
    }

    /// Answers who asked for the re-exec that has just happened.
    pub(super) fn answer_reexec(&mut self) {
        if let Some(waiter) = self.state.reexec_waiter.take() {
            self.answer(waiter, Ok((Reply::Done, Vec::new())));
        }
    }
}
