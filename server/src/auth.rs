//! Proofs of access. The only place that makes an [`access::Owner`].

pub mod access;
pub mod cookie;
pub mod origin;
pub mod port_token;
pub mod ticket;
pub mod token;
