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
//! sent only to a peer whose version knows it. Version 2 added builds and archives; a supervisor of version 1 refuses
//! them as messages that make no sense, under the number 0: so a client looks at [`Reply::Welcome`] first. Version 3
//! added networks and TLS.

mod archive;
mod build;
mod event;
mod machine;
mod network;
mod reply;
mod request;
mod state;

pub use archive::{ArchiveOptions, PathStat};
pub use build::{BuildMount, BuildNetwork, CacheSharing};
pub use event::Event;
pub use machine::{Command, Defaults, Limits, Login, Machine, Winsize};
pub use network::{
    Destination, Egress, MAX_GROUPS, MAX_PERMIT_SECONDS, MAX_PERMITTED, MAX_REACHES, Network, Reach,
    SocketFamily,
};
pub use reply::{FromSupervisor, Refusal, RefusalKind, Reply};
pub use request::{Call, Request};
pub use state::{EndReason, ExitStatus, Facts, InstanceState, InstanceStats, SessionState, TerminalState};

use super::name::SessionNumber;

/// Version of this protocol.
pub const VERSION: u16 = 3;
/// Oldest version still spoken.
pub const OLDEST_VERSION: u16 = 2;
/// Longest message in bytes; a longer one is refused. Below the default `net.core.wmem_max` of every kernel.
pub const MAX_MESSAGE_BYTES: usize = 128 * 1024;
/// Most descriptors beside one message.
pub const MAX_DESCRIPTORS: usize = 64;
/// Layers of one image, at most.
pub const MAX_LAYERS: usize = 127;
/// Layers in one page of a listing, at most.
pub const MAX_LISTED_LAYERS: usize = 1000;
/// Sessions in one [`Reply::Sessions`] page, so that a page fits in a message.
pub const SESSIONS_PER_PAGE: usize = 16;
/// Terminals and execs of one session that are alive or not yet forgotten, at most.
pub const MAX_PROCESSES_PER_SESSION: usize = 64;
/// Builds at once, at most.
pub const MAX_BUILDS: usize = SessionNumber::BUILDS as usize;
/// Mounts of one build, at most.
pub const MAX_BUILD_MOUNTS: usize = 64;
/// Longest secret of a build.
pub const MAX_SECRET_BYTES: usize = 512 * 1024;
