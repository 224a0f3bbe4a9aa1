//! The supervisor: the one privileged process of a node, its guardian, and the protocol that `serve` speaks to it.
//!
//! Single-threaded and small: it forks a short-lived worker for whatever could block.

pub mod client;
mod clock;
pub mod codec;
mod connection;
mod ground;
mod guardian;
mod host;
mod job;
mod kept;
mod layers;
mod limits;
mod log;
pub mod name;
pub mod node;
mod oom_score;
mod poller;
pub mod protocol;
mod role;
mod service;
mod session;
pub mod socket;
mod start;
mod worker;

pub use role::run;
