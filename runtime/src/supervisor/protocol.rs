//! The requests that `serve` may make of the supervisor, their replies, and the events that come unasked.
//!
//! A closed, versioned set. Requests name things, never powers: no host path, id map, capability, mount or spec can
//! be said here. One message is one SOCK_SEQPACKET packet of JSON, at most [`MAX_MESSAGE_BYTES`]; descriptors travel
//! beside it by SCM_RIGHTS, in the order that the message's documentation gives.
//!
//! ```text
//! serve                                   supervisor                      worker
//!   | Hello {version} ----------------------> |
//!   | <-------------------- Reply Welcome     |
//!   | StartSession {..} --------------------> | fork ----------------------> | namespaces, mounts, cgroup, pid 1
//!   |   (other requests are served meanwhile) | <----- pid + descriptors --- | exits
//!   | <-------------------- Reply Started     |
//!   | OpenTerminal {..} --------------------> | fork ----------------------> | joins, opens the container's own ptmx
//!   | <----- Reply Terminal + [ptmx, ring]    | <----- pid + [ptmx] -------- | exits
//!   |          ...                            |
//!   | <-------------------- Event TerminalEnded (SIGCHLD: the supervisor is the subreaper)
//! ```
//!
//! Versions N and N-1 work together: fields are added with a serde default and never change meaning; a variant is
//! sent only to a peer whose version knows it.

use serde::{Deserialize, Serialize};

use super::name::{DiffId, ExecNumber, Hostname, InstanceIndex, SessionNumber, TerminalNumber};

/// Version of this protocol.
pub const VERSION: u16 = 1;
/// Oldest version still spoken.
pub const OLDEST_VERSION: u16 = 1;
/// Longest message in bytes; a longer one is refused. Below the default `net.core.wmem_max` of every kernel.
pub const MAX_MESSAGE_BYTES: usize = 128 * 1024;
/// Most descriptors beside one message.
pub const MAX_DESCRIPTORS: usize = 8;
/// Layers of one image, at most.
pub const MAX_LAYERS: usize = 127;
/// Sessions in one [`Reply::Sessions`] page, so that a page fits in a message.
pub const SESSIONS_PER_PAGE: usize = 16;
/// Terminals and execs of one session that are alive or not yet forgotten, at most.
pub const MAX_PROCESSES_PER_SESSION: usize = 64;

/// A request with the number under which it is answered. Numbers are the client's own, one use each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Returned in [`FromSupervisor::Reply`].
    pub id: u64,
    /// What is asked.
    pub request: Request,
}

/// What serve may ask. [`Request::Guard`], [`Request::Reexec`] and [`Request::Down`] are for uid 0 only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// Must come first on a connection. Answer: [`Reply::Welcome`].
    Hello {
        /// The client's [`VERSION`].
        version: u16,
    },
    /// Keep a duplicate of a listening socket for the next serve. Descriptors: \[socket\]. Answer: [`Reply::Done`].
    KeepListener {
        /// The name under which it is handed out again, such as `http:127.0.0.1:8080`; at most 100 bytes.
        name: String,
    },
    /// Hand a kept listening socket over. Answer: [`Reply::Listener`], descriptors: \[socket\]; or refused as unknown.
    TakeListener {
        /// As in [`Request::KeepListener`].
        name: String,
    },
    /// What this node can do and how full it is. Answer: [`Reply::Facts`].
    Facts,
    /// Start all instances of a new session. Answer: [`Reply::Done`] once every pid 1 runs; on failure nothing is left.
    StartSession {
        /// A number that no live session holds.
        session: SessionNumber,
        /// Wall-clock milliseconds since 1970 at which the supervisor ends the session even without serve.
        deadline_unix_ms: u64,
        /// One to sixteen, in the order of their index.
        instances: Vec<Machine>,
    },
    /// End an instance's processes and start it again over the same files. Answer: [`Reply::Done`].
    RebootInstance {
        /// The session.
        session: SessionNumber,
        /// The instance.
        instance: InstanceIndex,
    },
    /// Move a session's deadline. Answer: [`Reply::Done`].
    SetDeadline {
        /// The session.
        session: SessionNumber,
        /// As in [`Request::StartSession`].
        deadline_unix_ms: u64,
    },
    /// End a session in the order of the design: hang up, terminate, 2 s, kill, unmount, files, ids. May be repeated.
    /// Answer: [`Reply::Done`] once nothing of it is left; the tombstone stays until [`Request::ForgetSession`].
    EndSession {
        /// The session.
        session: SessionNumber,
        /// Why, kept for the tombstone.
        reason: EndReason,
    },
    /// The end is recorded in the database: drop the tombstone. Answer: [`Reply::Done`], also when there is none.
    ForgetSession {
        /// The session.
        session: SessionNumber,
    },
    /// Open a terminal in an instance. Answer: [`Reply::Terminal`], descriptors: \[ptmx, ring\].
    OpenTerminal {
        /// The session.
        session: SessionNumber,
        /// The instance.
        instance: InstanceIndex,
        /// A number not used before in this session.
        terminal: TerminalNumber,
        /// What runs in it; an empty argv is the login shell of the user.
        command: Command,
        /// Size that is set before the program starts.
        size: Winsize,
    },
    /// Descriptors of an open or ended terminal, for a new serve. Answer: [`Reply::Terminal`], descriptors: \[ptmx, ring\].
    TakeTerminal {
        /// The session.
        session: SessionNumber,
        /// The terminal.
        terminal: TerminalNumber,
    },
    /// Close a terminal: its ptmx is dropped, so that the kernel hangs up, and its session leader gets SIGHUP.
    /// Answer: [`Reply::Done`].
    HangUpTerminal {
        /// The session.
        session: SessionNumber,
        /// The terminal.
        terminal: TerminalNumber,
    },
    /// The end of a terminal is recorded: drop its ring and status. Answer: [`Reply::Done`].
    ForgetTerminal {
        /// The session.
        session: SessionNumber,
        /// The terminal.
        terminal: TerminalNumber,
    },
    /// Run a program in an instance. Answer: [`Reply::Exec`], descriptors: \[stdin (write end), stdout, stderr (read ends)\].
    Exec {
        /// The session.
        session: SessionNumber,
        /// The instance.
        instance: InstanceIndex,
        /// A number not used before in this session.
        exec: ExecNumber,
        /// What runs; argv must not be empty.
        command: Command,
    },
    /// Kill every process of an exec. Its end is still told by [`Event::ExecEnded`]. Answer: [`Reply::Done`].
    KillExec {
        /// The session.
        session: SessionNumber,
        /// The exec.
        exec: ExecNumber,
    },
    /// Usage of the session's instances. Answer: [`Reply::Stats`].
    Stats {
        /// The session.
        session: SessionNumber,
    },
    /// Sessions in ascending order, one page. Answer: [`Reply::Sessions`].
    Sessions {
        /// Only sessions above this number; `None` for the first page.
        after: Option<SessionNumber>,
    },
    /// Unpack a layer. Descriptors: \[regular file or pipe with the uncompressed tar\]. Answer: [`Reply::Done`] once the tree
    /// stands under its digest; at once if it does already. The digest is verified.
    UnpackLayer {
        /// Digest of the uncompressed tar.
        layer: DiffId,
    },
    /// Remove an unpacked layer that no session uses. Answer: [`Reply::Done`]; refused as busy while in use.
    RemoveLayer {
        /// The layer.
        layer: DiffId,
    },
    /// Which of these layers stand unpacked. Answer: [`Reply::Layers`].
    HaveLayers {
        /// At most [`MAX_LAYERS`].
        layers: Vec<DiffId>,
    },
    /// The caller watches this supervisor from now on in place of the guardian (uid 0 only). Answer: [`Reply::Done`].
    Guard,
    /// Replace the supervisor's program by the file at its own path, keeping everything (uid 0 only). Answer: [`Reply::Done`]
    /// from the new program.
    Reexec,
    /// End all sessions, then the supervisor and its guardian (uid 0 only). Answer: [`Reply::Done`] just before the end.
    Down,
}

/// One instance of a session as it is to be started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Its place in the session.
    pub index: InstanceIndex,
    /// Host name, also in /etc/hosts.
    pub hostname: Hostname,
    /// Unpacked layers from the lowest to the highest, 1 to [`MAX_LAYERS`].
    pub layers: Vec<DiffId>,
    /// Limits, each at most the node's ceiling.
    pub limits: Limits,
    /// Who a terminal or exec without a user runs as.
    pub login: Login,
    /// Set no_new_privs on every process, which also disables sudo and file capabilities.
    pub no_new_privileges: bool,
    /// Allow new user namespaces from inside.
    pub user_namespaces: bool,
}

/// Limits of one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory in bytes, kernel memory included.
    pub memory_bytes: u64,
    /// Swap in bytes beside the memory.
    pub swap_bytes: u64,
    /// Thousandths of one cpu.
    pub cpu_millis: u32,
    /// Processes and threads.
    pub pids: u32,
    /// Bytes of files the instance may write.
    pub disk_bytes: u64,
    /// Bytes per second read from, and as many written to, the disk; `None` is no limit.
    pub io_bytes_per_second: Option<u64>,
}

/// The user that terminals start as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Login {
    /// uid 0 of the session.
    Root,
    /// `learner`, uid 1000, in group sudo where the image has it; made at start if the image lacks it.
    Learner,
}

/// A program to run inside an instance.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Program and arguments; the program is looked up in the PATH of the environment.
    pub argv: Vec<String>,
    /// Variables added to the default environment (PATH, HOME, USER, LANG, TERM, HOSTNAME) or in place of one of it.
    pub env: Vec<(String, String)>,
    /// Working directory inside; `None` is the user's home, or `/`.
    pub cwd: Option<String>,
    /// User name or number, looked up inside; `None` is the instance's [`Login`].
    pub user: Option<String>,
}

/// Size of a terminal, in the kernel's order; each from 1 to 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Winsize {
    /// Lines.
    pub rows: u16,
    /// Columns.
    pub cols: u16,
}

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
    /// To [`Request::Hello`].
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
    /// To [`Request::Facts`].
    Facts(Facts),
    /// To [`Request::OpenTerminal`] and [`Request::TakeTerminal`]; descriptors: \[ptmx, ring\].
    Terminal,
    /// To [`Request::Exec`]; descriptors: \[stdin, stdout, stderr\].
    Exec,
    /// To [`Request::Stats`].
    Stats {
        /// In the order of the index.
        instances: Vec<InstanceStats>,
    },
    /// To [`Request::Sessions`].
    Sessions {
        /// In ascending order.
        sessions: Vec<SessionState>,
        /// Whether sessions above the last one exist.
        more: bool,
    },
    /// To [`Request::HaveLayers`]: those that stand unpacked.
    Layers {
        /// A subset of what was asked.
        layers: Vec<DiffId>,
    },
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
