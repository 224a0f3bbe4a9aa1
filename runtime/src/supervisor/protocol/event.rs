//! What comes unasked.

use serde::{Deserialize, Serialize};

use super::state::{EndReason, ExitStatus};
use crate::supervisor::name::{ExecNumber, InstanceIndex, SessionNumber, TerminalNumber};

/// What the supervisor tells unasked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The program of a terminal ended. Its output may still be in the ptmx.
    TerminalEnded {
        /// The session.
        session: SessionNumber,
        /// The terminal.
        terminal: TerminalNumber,
        /// How.
        status: ExitStatus,
    },
    /// An exec's program ended. Its output may still be in the pipes.
    ExecEnded {
        /// The session.
        session: SessionNumber,
        /// The exec.
        exec: ExecNumber,
        /// How.
        status: ExitStatus,
    },
    /// Pid 1 of an instance ended, and with it everything inside.
    InstanceEnded {
        /// The session.
        session: SessionNumber,
        /// The instance.
        instance: InstanceIndex,
        /// How.
        status: ExitStatus,
        /// Whether its memory limit was the cause.
        out_of_memory: bool,
    },
    /// The kernel killed a process of the instance at its memory limit.
    OutOfMemory {
        /// The session.
        session: SessionNumber,
        /// The instance.
        instance: InstanceIndex,
        /// Kills since the instance started.
        kills: u64,
    },
    /// Nothing is left of a session that the supervisor ended by itself (its deadline).
    SessionEnded {
        /// The session.
        session: SessionNumber,
        /// Why.
        reason: EndReason,
    },
}
