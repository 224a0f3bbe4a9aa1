//! Everything that comes from the supervisor: answers, refusals, and the envelope of events.

use serde::{Deserialize, Serialize};

use super::archive::PathStat;
use super::event::Event;
use super::state::{Facts, InstanceStats, SessionState};
use crate::supervisor::name::{DiffId, SessionNumber};
use crate::supervisor::node::TlsFiles;

/// Everything that comes from the supervisor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FromSupervisor {
    /// The one answer to a call.
    Reply {
        /// The call's number.
        id: u64,
        /// What came of it.
        result: Result<Reply, Refusal>,
    },
    /// Something happened. Sent to the connection of serve only.
    Event {
        /// What.
        event: Event,
    },
}

/// Answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// To [`Request::Hello`](super::Request::Hello).
    Welcome {
        /// The version that both speak from here on.
        version: u16,
        /// Changes whenever sessions of an earlier supervisor were lost; not by a re-exec.
        epoch: u64,
        /// Process id of the supervisor.
        pid: u32,
    },
    /// It is done.
    Done,
    /// A listening socket; descriptors: \[socket\].
    Listener,
    /// To [`Request::Facts`](super::Request::Facts).
    Facts(Facts),
    /// To [`Request::OpenTerminal`](super::Request::OpenTerminal) and [`Request::TakeTerminal`](super::Request::TakeTerminal); descriptors: \[ptmx, ring\].
    Terminal,
    /// To [`Request::Exec`](super::Request::Exec); descriptors: \[stdin, stdout, stderr\].
    Exec,
    /// To [`Request::Stats`](super::Request::Stats).
    Stats {
        /// In the order of the index.
        instances: Vec<InstanceStats>,
    },
    /// To [`Request::Sessions`](super::Request::Sessions).
    Sessions {
        /// In ascending order.
        sessions: Vec<SessionState>,
        /// Whether sessions above the last one exist.
        more: bool,
    },
    /// To [`Request::HaveLayers`](super::Request::HaveLayers) and [`Request::ListLayers`](super::Request::ListLayers):
    /// those that stand unpacked.
    Layers {
        /// Which.
        layers: Vec<DiffId>,
    },
    /// To [`Request::StatPath`](super::Request::StatPath) and [`Request::GetArchive`](super::Request::GetArchive).
    PathStat(PathStat),
    /// To [`Request::StartBuild`](super::Request::StartBuild).
    Build {
        /// Its number, until it has ended.
        build: SessionNumber,
    },
    /// To [`Request::OpenSockets`](super::Request::OpenSockets) and [`Request::OpenNameServer`](super::Request::OpenNameServer);
    /// descriptors as there.
    Sockets,
    /// To [`Request::WatchInstance`](super::Request::WatchInstance) and [`Request::WatchNode`](super::Request::WatchNode);
    /// descriptors as there. A file of cpu time is `cpuacct.usage` of version 1 or `cpu.stat` of version 2.
    Watch,
    /// To [`Request::TlsFiles`](super::Request::TlsFiles); descriptors: \[certificate, key\].
    TlsFiles(TlsFiles),
}

/// Why something was not done. The message is safe to show to the user of the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What callers match on.
    pub kind: RefusalKind,
    /// Operation and object, in lower case.
    pub message: String,
    /// The set-up step that failed, where one did.
    #[serde(default)]
    pub step: Option<String>,
}

/// Kinds of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// The request is malformed or outside the node's limits.
    Invalid,
    /// No such session, instance, terminal, exec, layer or program.
    Unknown,
    /// The number is taken.
    Exists,
    /// The node or the session is full.
    Full,
    /// Not now: it is starting, closing or in use.
    Busy,
    /// This peer may not ask that.
    Denied,
    /// The kernel refused a step.
    Failed,
}
