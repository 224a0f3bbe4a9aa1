//! How things stand and how they ended, as it is told.

use serde::{Deserialize, Serialize};

use super::machine::Limits;
use crate::supervisor::name::{InstanceIndex, SessionNumber, TerminalNumber};

/// How a process ended: exactly one field is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitStatus {
    /// What it returned.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// Its time was over.
    Expired,
    /// Someone with the proof closed it.
    Closed,
    /// It could not be started.
    StartFailed,
    /// The operator ended it or the node.
    Operator,
    /// The supervisor was lost and the guardian ended its sessions.
    SupervisorLost,
    /// The node was started anew.
    NodeRestarted,
}

/// State of one session as the supervisor holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionState {
    /// The session.
    pub session: SessionNumber,
    /// Its deadline in wall-clock milliseconds since 1970.
    pub deadline_unix_ms: u64,
    /// Set once it is ending or has ended.
    pub ended: Option<EndReason>,
    /// Whether anything of it is left in the kernel or on disk.
    pub gone: bool,
    /// Its instances.
    pub instances: Vec<InstanceState>,
    /// Its terminals that are not forgotten.
    pub terminals: Vec<TerminalState>,
}

/// State of one instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceState {
    /// The instance.
    pub instance: InstanceIndex,
    /// `None` while pid 1 runs.
    pub ended: Option<ExitStatus>,
}

/// State of one terminal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TerminalState {
    /// The terminal.
    pub terminal: TerminalNumber,
    /// Where it is.
    pub instance: InstanceIndex,
    /// `None` while its program runs.
    pub ended: Option<ExitStatus>,
}

/// Usage of one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceStats {
    /// The instance.
    pub instance: InstanceIndex,
    /// Memory charged, in bytes.
    pub memory_bytes: u64,
    /// Cpu time used, in microseconds.
    pub cpu_usec: u64,
    /// Processes and threads.
    pub pids: u64,
    /// Processes killed at the memory limit.
    pub oom_kills: u64,
}

/// What a node is and holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Sessions it may hold at once.
    pub max_sessions: u32,
    /// Sessions it holds, those that are ending included.
    pub sessions: u32,
    /// Highest limits of one instance.
    pub ceiling: Limits,
    /// `v1`, `hybrid` or `v2`.
    pub cgroup: String,
    /// How files are limited: `project-quota`, `ext4-image`, `tmpfs` or `none`.
    pub disk: String,
    /// What the node lacks, one sentence each.
    pub degraded: Vec<String>,
}
