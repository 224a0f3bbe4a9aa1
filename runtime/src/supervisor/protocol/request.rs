//! What serve may ask, each with its answer and the descriptors beside it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::archive::ArchiveOptions;
use super::build::{BuildMount, BuildNetwork};
use super::machine::{Command, Machine, Winsize};
use super::network::{Network, SocketFamily};
use super::state::EndReason;
use crate::supervisor::name::{DiffId, ExecNumber, InstanceIndex, SessionNumber, TerminalNumber};

/// A request with the number under which it is answered. Numbers are the client's own, one use each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Returned in [`FromSupervisor::Reply`](super::FromSupervisor::Reply).
    pub id: u64,
    /// What is asked.
    pub request: Request,
}

/// What serve may ask. [`Request::Guard`], [`Request::Reexec`] and [`Request::Down`] are for uid 0 only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// Must come first on a connection. Answer: [`Reply::Welcome`](super::Reply::Welcome).
    Hello {
        /// The client's [`VERSION`](super::VERSION).
        version: u16,
    },
    /// Keep a duplicate of a listening socket for the next serve. Descriptors: \[socket\]. Answer: [`Reply::Done`](super::Reply::Done).
    KeepListener {
        /// The name under which it is handed out again, such as `http:127.0.0.1:8080`; at most 100 bytes.
        name: String,
    },
    /// Hand a kept listening socket over. Answer: [`Reply::Listener`](super::Reply::Listener), descriptors: \[socket\]; or refused as unknown.
    TakeListener {
        /// As in [`Request::KeepListener`].
        name: String,
    },
    /// What this node can do and how full it is. Answer: [`Reply::Facts`](super::Reply::Facts).
    Facts,
    /// Start all instances of a new session. Answer: [`Reply::Done`](super::Reply::Done) once every pid 1 runs; on failure nothing is left.
    StartSession {
        /// A number that no live session holds.
        session: SessionNumber,
        /// Wall-clock milliseconds since 1970 at which the supervisor ends the session even without serve.
        deadline_unix_ms: u64,
        /// One to sixteen, in the order of their index.
        instances: Vec<Machine>,
        /// What they are plugged into; without it each has its loopback only.
        #[serde(default)]
        network: Option<Network>,
    },
    /// Start one more instance of a session. Answer: [`Reply::Done`](super::Reply::Done) once its pid 1 runs; on failure nothing of it is left.
    AddInstance {
        /// The session.
        session: SessionNumber,
        /// Its index is that of no other instance.
        machine: Machine,
    },
    /// End an instance and remove its files; its index may be used again. Answer: [`Reply::Done`](super::Reply::Done) once nothing of it is left.
    RemoveInstance {
        /// The session.
        session: SessionNumber,
        /// The instance.
        instance: InstanceIndex,
    },
    /// End an instance's processes and start it again over the same files. Answer: [`Reply::Done`](super::Reply::Done).
    RebootInstance {
        /// The session.
        session: SessionNumber,
        /// The instance.
        instance: InstanceIndex,
    },
    /// Move a session's deadline. Answer: [`Reply::Done`](super::Reply::Done).
    SetDeadline {
        /// The session.
        session: SessionNumber,
        /// As in [`Request::StartSession`].
        deadline_unix_ms: u64,
    },
    /// End a session in the order of the design: hang up, terminate, 2 s, kill, unmount, files, ids. May be repeated.
    /// Answer: [`Reply::Done`](super::Reply::Done) once nothing of it is left; the tombstone stays until [`Request::ForgetSession`].
    EndSession {
        /// The session.
        session: SessionNumber,
        /// Why, kept for the tombstone.
        reason: EndReason,
    },
    /// The end is recorded in the database: drop the tombstone. Answer: [`Reply::Done`](super::Reply::Done), also when there is none.
    ForgetSession {
        /// The session.
        session: SessionNumber,
    },
    /// Open a terminal in an instance. Answer: [`Reply::Terminal`](super::Reply::Terminal), descriptors: \[ptmx, ring\].
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
    /// Descriptors of an open or ended terminal, for a new serve. Answer: [`Reply::Terminal`](super::Reply::Terminal), descriptors: \[ptmx, ring\].
    TakeTerminal {
        /// The session.
        session: SessionNumber,
        /// The terminal.
        terminal: TerminalNumber,
    },
    /// Close a terminal: its ptmx is dropped, so that the kernel hangs up, and its session leader gets SIGHUP.
    /// Answer: [`Reply::Done`](super::Reply::Done).
    HangUpTerminal {
        /// The session.
        session: SessionNumber,
        /// The terminal.
        terminal: TerminalNumber,
    },
    /// The end of a terminal is recorded: drop its ring and status. Answer: [`Reply::Done`](super::Reply::Done).
    ForgetTerminal {
        /// The session.
        session: SessionNumber,
        /// The terminal.
        terminal: TerminalNumber,
    },
    /// Run a program in an instance. Answer: [`Reply::Exec`](super::Reply::Exec), descriptors: \[stdin (write end), stdout, stderr (read ends)\].
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
    /// Kill every process of an exec. Its end is still told by [`Event::ExecEnded`](super::Event::ExecEnded). In a build also
    /// what an exec that has ended left running. Answer: [`Reply::Done`](super::Reply::Done).
    KillExec {
        /// The session.
        session: SessionNumber,
        /// The exec.
        exec: ExecNumber,
    },
    /// Usage of the session's instances. Answer: [`Reply::Stats`](super::Reply::Stats).
    Stats {
        /// The session.
        session: SessionNumber,
    },
    /// Sessions in ascending order, one page. Answer: [`Reply::Sessions`](super::Reply::Sessions).
    Sessions {
        /// Only sessions above this number; `None` for the first page.
        after: Option<SessionNumber>,
    },
    /// Unpack a layer. Descriptors: \[regular file or pipe with the uncompressed tar\]. Answer: [`Reply::Done`](super::Reply::Done) once the tree
    /// stands under its digest; at once if it does already. The digest is verified.
    UnpackLayer {
        /// Digest of the uncompressed tar.
        layer: DiffId,
    },
    /// Remove an unpacked layer that no session uses. Answer: [`Reply::Done`](super::Reply::Done); refused as busy while in use.
    RemoveLayer {
        /// The layer.
        layer: DiffId,
    },
    /// Which of these layers stand unpacked. Answer: [`Reply::Layers`](super::Reply::Layers).
    HaveLayers {
        /// At most [`MAX_LAYERS`](super::MAX_LAYERS).
        layers: Vec<DiffId>,
    },
    /// Which layers have stood unpacked for a while, in order. Answer: [`Reply::Layers`](super::Reply::Layers), at most
    /// [`MAX_LISTED_LAYERS`](super::MAX_LISTED_LAYERS); none when there are no more.
    ListLayers {
        /// Those above this one.
        after: Option<DiffId>,
        /// For so long.
        min_age_seconds: u64,
    },
    /// Start a machine for steps of a Dockerfile. It belongs to this connection and ends with it; for everybody else it is not
    /// there. [`Request::Exec`], [`Request::KillExec`], [`Request::EndSession`], [`Request::Stats`] and the requests about archives take its number
    /// with instance 0. Descriptors: \[content of each secret in its order: regular file or pipe\]. Answer:
    /// [`Reply::Build`](super::Reply::Build) once pid 1 runs. A start that needs a locked cache is answered when it is free.
    StartBuild {
        /// Its index must be 0. It may have no layers: then its root is empty. With [`Login::Root`](super::Login::Root) nothing
        /// that the start made is in what the build changes.
        machine: Machine,
        /// In the order in which they are mounted, at most [`MAX_BUILD_MOUNTS`](super::MAX_BUILD_MOUNTS).
        mounts: Vec<BuildMount>,
        /// What it reaches.
        network: BuildNetwork,
    },
    /// Extract an uncompressed tar inside a running instance, as root of the session, with paths resolved under the
    /// instance's root. Descriptors: \[regular file or pipe\]. Answer: [`Reply::Done`](super::Reply::Done).
    PutArchive {
        /// The session.
        session: SessionNumber,
        /// The instance.
        instance: InstanceIndex,
        /// The folder below which is extracted; links are followed inside the instance.
        path: String,
        /// How.
        options: ArchiveOptions,
    },
    /// Write what is at a path of a running instance as an uncompressed tar. Descriptors: \[pipe's write end or regular file\].
    /// Answer: [`Reply::PathStat`](super::Reply::PathStat) once the tar is complete; a tar without its end is cut short.
    GetArchive {
        /// The session.
        session: SessionNumber,
        /// The instance.
        instance: InstanceIndex,
        /// A link at its end is not followed, unless a `/` is behind it. The names in the tar begin with its last part.
        path: String,
    },
    /// Look at a path of a running instance. Answer: [`Reply::PathStat`](super::Reply::PathStat); refused as unknown when
    /// nothing is there.
    StatPath {
        /// The session.
        session: SessionNumber,
        /// The instance.
        instance: InstanceIndex,
        /// As in [`Request::GetArchive`].
        path: String,
    },
    /// Write what an instance has changed as the uncompressed tar of a layer (OCI image spec, "Layers"): the same content
    /// gives the same bytes. What the start of the instance itself made is not in it. Descriptors: \[pipe's write end or
    /// regular file\]. Answer: [`Reply::Done`](super::Reply::Done) once the tar is complete.
    Diff {
        /// The session.
        session: SessionNumber,
        /// The instance; it may have ended.
        instance: InstanceIndex,
        /// Times after this one, in seconds since 1970, are replaced by it (SOURCE_DATE_EPOCH).
        clamp_unix: Option<i64>,
    },
    /// TCP sockets in an instance's own network, not connected and not blocking: whoever holds one reaches what listens
    /// there, on its loopback too, and nothing of the host. Answer: [`Reply::Sockets`](super::Reply::Sockets), descriptors: \[sockets\].
    OpenSockets {
        /// The session.
        session: SessionNumber,
        /// The instance.
        instance: InstanceIndex,
        /// Their addresses.
        family: SocketFamily,
        /// 1 to [`MAX_DESCRIPTORS`](super::MAX_DESCRIPTORS).
        count: u8,
    },
    /// Sockets on which the session's instances ask for names, bound to port 53 of their switch. Answer:
    /// [`Reply::Sockets`](super::Reply::Sockets), descriptors: \[UDP, TCP listening; neither blocks\].
    OpenNameServer {
        /// The session; it must have a network.
        session: SessionNumber,
    },
    /// Lets a session reach addresses that its name server has found for a group of names of its [`Egress`](super::Egress).
    /// What is refused for all stays so. Answer: [`Reply::Done`](super::Reply::Done).
    Permit {
        /// The session.
        session: SessionNumber,
        /// The group.
        group: u8,
        /// Addresses, and for how many seconds; at most [`MAX_PERMITTED`](super::MAX_PERMITTED).
        addresses: Vec<(IpAddr, u32)>,
    },
    /// What tells of listening sockets in an instance. Answer: [`Reply::Watch`](super::Reply::Watch), descriptors:
    /// \[sock_diag(7) socket of its network, file of its cpu time\].
    WatchInstance {
        /// The session.
        session: SessionNumber,
        /// The instance.
        instance: InstanceIndex,
    },
    /// The cpu time of all sessions together. Answer: [`Reply::Watch`](super::Reply::Watch), descriptors: \[file\].
    WatchNode,
    /// The files of the site's TLS as the node file names them, opened for reading. Answer: [`Reply::TlsFiles`](super::Reply::TlsFiles),
    /// descriptors: \[certificate, key\]; refused as unknown where the node file names none.
    TlsFiles,
    /// The caller watches this supervisor from now on in place of the guardian (uid 0 only). Answer: [`Reply::Done`](super::Reply::Done).
    Guard,
    /// Replace the supervisor's program by the file at its own path, keeping everything (uid 0 only). Answer: [`Reply::Done`](super::Reply::Done)
    /// from the new program.
    Reexec,
    /// End all sessions, then the supervisor and its guardian (uid 0 only). Answer: [`Reply::Done`](super::Reply::Done) just before the end.
    Down,
}
