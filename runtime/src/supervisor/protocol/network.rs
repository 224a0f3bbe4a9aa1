//! A session's network, as it is asked for.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// What connects the instances of a session: a switch of the node's, in which they know each other by name and address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// What leads out of it; none is nothing.
    #[serde(default)]
    pub egress: Option<Egress>,
}

/// What the instances reach beyond their session, by the node's own address. Whatever is asked for, never: the node
/// itself, its gateway, loopback, link-local and metadata addresses, multicast, forms of IPv4 in IPv6, and SMTP.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Egress {
    /// What is reached; empty is everything but private networks. A private network is reached only if it stands here
    /// and the node file has it. At most [`MAX_REACHES`].
    pub allow: Vec<Reach>,
    /// What of that is not.
    pub deny: Vec<Reach>,
    /// Bytes in a second, in each direction.
    pub bytes_per_second: Option<u64>,
    /// Connections that may begin in a second.
    pub connections_per_second: u32,
    /// Connections at once.
    pub connections: u32,
}

/// A part of the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// Which addresses.
    pub to: Destination,
    /// First and last port of TCP and UDP; none is every protocol.
    pub ports: Option<(u16, u16)>,
}

/// Addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// A network: its first address and its prefix in bits.
    Network(IpAddr, u8),
    /// What [`Request::Permit`](super::Request::Permit) has told of this group of names, below [`MAX_GROUPS`].
    Group(u8),
}

/// Entries of a list of reaches, at most.
pub const MAX_REACHES: usize = 128;
/// Groups of names of one session, at most.
pub const MAX_GROUPS: u8 = 64;
/// Addresses in one [`Request::Permit`](super::Request::Permit), at most.
pub const MAX_PERMITTED: usize = 64;
/// Seconds for which an address is permitted, at most: a day.
pub const MAX_PERMIT_SECONDS: u32 = 86_400;

/// Which addresses a socket connects to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SocketFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}
