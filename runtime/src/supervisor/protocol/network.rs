//! A session's network, as it is asked for.

use serde::{Deserialize, Serialize};

/// What connects the instances of a session: a switch of the node's, in which they know each other by name and address.
/// Nothing leads out of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {}

/// Which addresses a socket connects to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SocketFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}
