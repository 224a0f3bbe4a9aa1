//! The supervisor: the one privileged process of a node, its guardian, and the protocol that `serve` speaks to it.
//!
//! Single-threaded and small: it forks a short-lived worker for whatever could block.

pub mod client;
pub mod codec;
pub mod name;
pub mod node;
pub mod protocol;
pub mod socket;
