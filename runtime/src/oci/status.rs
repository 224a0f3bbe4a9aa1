//! The status of a container (runtime.md, "State").

use std::fmt;

use super::proc;
use super::record::Record;

/// What a container is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It is set up and waits for its start.
    Created,
    /// Its program runs.
    Running,
    /// It is frozen.
    Paused,
    /// Its first process has ended.
    Stopped,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        })
    }
}

impl Record {
    /// The status now.
    pub fn status(&self) -> Status {
        if !self.is_alive() {
            return Status::Stopped;
        }
        if self.placed.is_frozen() {
            return Status::Paused;
        }
        if self.fifo().exists() { Status::Created } else { Status::Running }
    }

    /// Whether the first process is the one that was started.
    pub(super) fn is_alive(&self) -> bool {
        self.pid > 0 && proc::start_time(self.pid) == Some(self.start_time)
    }
}
