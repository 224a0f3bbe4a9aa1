//! Networks: the loopback of an instance, a session's switch and the ports on it.
//!
//! Mechanism only: a worker of the supervisor calls it in namespaces that it has entered, and decides nothing here.

pub(crate) mod address;
pub(crate) mod egress;
pub(crate) mod firewall;
pub(crate) mod gateway;
pub mod host;
pub(crate) mod link;
pub(crate) mod mtu;
pub(crate) mod netlink;
pub(crate) mod nftables;
pub mod plan;
pub mod port;
pub(crate) mod qdisc;
pub mod ranges;
pub mod switch;
pub(crate) mod uplink;

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use crate::sys::link as sys_link;

/// Brings the loopback link of the current network namespace up.
///
/// # Errors
/// What the kernel gives.
pub fn bring_loopback_up() -> Result<(), Errno> {
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    sys_link::bring_loopback_up(socket.as_fd())
}
