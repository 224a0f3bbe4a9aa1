//! A session's network, as it is asked for.

use serde::{Deserialize, Serialize};

/// Which addresses a socket connects to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SocketFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}
