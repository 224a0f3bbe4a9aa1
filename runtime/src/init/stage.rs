//! What the steps share.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use super::Resources;
use super::sync::ChildEnd;
use crate::cgroup::Seat;
use crate::failure::{Failure, StepError, during};
use crate::spec::Plan;

/// What the steps work on. The working directory of the process is the new root at the beginning.
#[derive(Debug)]
pub struct Stage<'a> {
    pub(super) plan: &'a Plan,
    pub(super) resources: &'a Resources<'a>,
    /// Closed once the worker has heard all it waits for.
    pub(super) sync: Option<ChildEnd>,
    /// The new root; set by the first step of the root file system.
    root: Option<OwnedFd>,
    /// The pts that becomes standard input and output.
    pub(super) terminal: Option<OwnedFd>,
    /// Where the security label of the program is written.
    pub(super) label: Option<(OwnedFd, String)>,
    /// Where this process moves itself into its cgroup.
    pub(super) seats: Vec<Seat>,
    /// Whether this process is in its cgroup.
    pub(super) in_cgroup: bool,
    /// Whether the working directory was entered.
    pub(super) in_cwd: bool,
    /// Path of the program, once it was looked up.
    pub(super) program: Option<std::ffi::CString>,
}

impl<'a> Stage<'a> {
    /// A stage that has not begun.
    pub fn new(plan: &'a Plan, resources: &'a Resources<'a>, seats: Vec<Seat>, sync: ChildEnd) -> Self {
        Self {
            plan,
            resources,
            sync: Some(sync),
            root: None,
            terminal: None,
            label: None,
            seats,
            in_cgroup: false,
            in_cwd: false,
            program: None,
        }
    }

    /// The new root.
    pub(super) fn root(&self) -> Result<BorrowedFd<'_>, Failure> {
        let missing = || during("use the root before it is set up")(Errno::ENOENT);
        self.root.as_ref().map(AsFd::as_fd).ok_or_else(missing)
    }

    pub(super) fn set_root(&mut self, root: OwnedFd) {
        self.root = Some(root);
    }

    pub(super) fn sync(&self) -> Result<&ChildEnd, Failure> {
        self.sync.as_ref().ok_or_else(|| during("ask the worker")(Errno::EPIPE))
    }

    /// Runs the steps; returns only when one fails, which the worker has been told by then if it still listens.
    pub fn run(mut self, steps: &[Step]) -> StepError {
        for step in steps {
            if let Err(failure) = (step.run)(&mut self) {
                return self.report(StepError::new(step.name, failure));
            }
        }
        self.report(StepError::new("exec", during("go on after exec")(Errno::EIO)))
    }

    fn report(&self, error: StepError) -> StepError {
        match &self.sync {
            // A worker that is gone has closed the socket and needs no report; this process ends in either case.
            Some(sync) => drop(sync.send_last_failure(&error)),
            // The worker of a container that was only created is gone: whoever sees its output learns of it.
            None => {
                let text = format!("{error}\n");
                let _unheard = nix::unistd::write(std::io::stderr(), text.as_bytes());
            }
        }
        error
    }
}

/// One step.
pub struct Step {
    /// What it does, as errors say it.
    pub name: &'static str,
    pub(super) run: fn(&mut Stage<'_>) -> Result<(), Failure>,
}
