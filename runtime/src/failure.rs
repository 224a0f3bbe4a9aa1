//! How a step of the set-up fails: which one, on what, and why. Used by everything that sets a container up.

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

/// The cause, as a step gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Operation and object.
    pub message: String,
    /// What the kernel said.
    pub errno: Errno,
}

/// Names the operation and its object in an errno: `.map_err(during("mount `/proc`"))`.
pub fn during(message: impl Into<String>) -> impl FnOnce(Errno) -> Failure {
    move |errno| Failure { message: message.into(), errno }
}

/// A failed step, as it travels from the process that took it to the worker and on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{step}: {}", self.cause())]
pub struct StepError {
    /// Name of the step, as in the list of steps.
    pub step: String,
    /// What the kernel said.
    pub errno: i32,
    /// Operation and object.
    pub message: String,
}

impl StepError {
    /// A failure of this step.
    pub fn new(step: &str, failure: Failure) -> Self {
        Self { step: step.to_owned(), errno: failure.errno as i32, message: failure.message }
    }

    /// Operation, object and what the kernel said, without the step.
    pub fn cause(&self) -> String {
        match Errno::from_raw(self.errno) {
            // The message says it all.
            Errno::UnknownErrno => self.message.clone(),
            errno => format!("{}: {}", self.message, errno.desc().to_lowercase()),
        }
    }
}
