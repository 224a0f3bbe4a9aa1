//! Links: bridges, pairs of virtual Ethernet links, their ports.

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

use super::netlink::{Message, Netlink, attribute, text};
use super::plan::Mac;
use crate::sys::netlink as kernel;

/// `IFLA_*`, and what stands inside of them (kernel, include/uapi/linux/if_link.h).
mod attribute {
    pub(super) const BRIDGE_FORWARD_DELAY: u16 = 1;
    pub(super) const BRIDGE_MULTICAST_SNOOPING: u16 = 23;
    pub(super) const PORT_LEARNING: u16 = 8;
    pub(super) const PORT_UNICAST_FLOOD: u16 = 9;
    pub(super) const VETH_PEER: u16 = 1;
    /// Of a neighbour (include/uapi/linux/neighbour.h).
    pub(super) const NEIGHBOUR_LINK_ADDRESS: u16 = 2;
}

const CREATE: i32 = kernel::NLM_F_CREATE | kernel::NLM_F_EXCL;

/// One end of a pair.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Its number, which is free; 0 lets the kernel choose.
    pub(crate) index: u32,
    /// Its hardware address; none lets the kernel choose.
    pub(crate) mac: Option<Mac>,
}

/// Makes a bridge that is up. It neither looks into multicast groups, whose members nobody would ask for, nor waits before
/// it forwards.
pub(crate) fn new_bridge(name: &str, index: u32, mac: Mac, mtu: u32) -> Message {
    let up = header(kernel::AF_UNSPEC, index, kernel::IFF_UP);
    Message::new(kernel::RTM_NEWLINK, CREATE, &up)
        .put_text(kernel::IFLA_IFNAME, name)
        .put(kernel::IFLA_ADDRESS, &mac.0)
        .put(kernel::IFLA_MTU, &mtu.to_ne_bytes())
        .nest(kernel::IFLA_LINKINFO, |info| {
            info.put_text(kernel::IFLA_INFO_KIND, "bridge").nest(kernel::IFLA_INFO_DATA, |data| {
                data.put(attribute::BRIDGE_FORWARD_DELAY, &0u32.to_ne_bytes())
                    .put(attribute::BRIDGE_MULTICAST_SNOOPING, &[0])
            })
        })
}

/// Makes a pair, the near end up, the far end in another network namespace and down.
pub(crate) fn new_pair(
    near: End<'_>,
    bridge: Option<u32>,
    far: End<'_>,
    namespace: BorrowedFd<'_>,
    mtu: u32,
) -> Message {
    let message =
        Message::new(kernel::RTM_NEWLINK, CREATE, &header(kernel::AF_UNSPEC, near.index, kernel::IFF_UP));
    let message = describe(message, near, mtu);
    let message = match bridge {
        Some(bridge) => message.put(kernel::IFLA_MASTER, &bridge.to_ne_bytes()),
        None => message,
    };
    message.nest(kernel::IFLA_LINKINFO, |info| {
        info.put_text(kernel::IFLA_INFO_KIND, "veth").nest(kernel::IFLA_INFO_DATA, |data| {
            // It cannot be up before the kernel has tied the two.
            let down = header(kernel::AF_UNSPEC, far.index, 0);
            data.nest_behind(attribute::VETH_PEER, &down, |peer| {
                describe(peer, far, mtu).put(kernel::IFLA_NET_NS_FD, &namespace.as_raw_fd().to_ne_bytes())
            })
        })
    })
}

fn describe(message: Message, end: End<'_>, mtu: u32) -> Message {
    let message = message.put_text(kernel::IFLA_IFNAME, end.name).put(kernel::IFLA_MTU, &mtu.to_ne_bytes());
    match end.mac {
        Some(mac) => message.put(kernel::IFLA_ADDRESS, &mac.0),
        None => message,
    }
}

/// A port of a bridge believes nobody where he is, and gets no frame whose place is not known.
pub(crate) fn tie_port(index: u32) -> Message {
    Message::new(kernel::RTM_SETLINK, 0, &header(kernel::AF_BRIDGE, index, 0))
        .nest(kernel::IFLA_PROTINFO, |port| {
            port.put(attribute::PORT_LEARNING, &[0]).put(attribute::PORT_UNICAST_FLOOD, &[0])
        })
}

/// The bridge of this port finds a hardware address behind it, and nowhere else.
pub(crate) fn place_mac(port: u32, mac: Mac) -> Message {
    Message::new(kernel::RTM_NEWNEIGH, CREATE, &place(port)).put(attribute::NEIGHBOUR_LINK_ADDRESS, &mac.0)
}

/// `struct ndmsg`: an entry of the port's bridge that stays. (A permanent one would be an address of the bridge's own.)
fn place(port: u32) -> [u8; 12] {
    let mut header = [0; 12];
    header[0] = u8::try_from(kernel::AF_BRIDGE).unwrap_or_default();
    header[4..8].copy_from_slice(&port.to_ne_bytes());
    header[8..10].copy_from_slice(&kernel::NUD_NOARP.to_ne_bytes());
    header[10] = kernel::NTF_MASTER;
    header
}

/// Brings a link up.
pub(crate) fn up(index: u32) -> Message {
    Message::new(kernel::RTM_NEWLINK, 0, &header(kernel::AF_UNSPEC, index, kernel::IFF_UP))
}

/// Largest packets of each link of the current network namespace, by its name.
///
/// # Errors
/// What the kernel gives.
pub(crate) fn largest_packets() -> Result<Vec<(String, u32)>, Errno> {
    let ask = Message::new(kernel::RTM_GETLINK, kernel::NLM_F_DUMP, &header(kernel::AF_UNSPEC, 0, 0));
    let named = |body: Vec<u8>| {
        let list = body.get(header(0, 0, 0).len()..)?;
        let mtu = attribute(list, kernel::IFLA_MTU)?.try_into().ok()?;
        Some((text(attribute(list, kernel::IFLA_IFNAME)?), u32::from_ne_bytes(mtu)))
    };
    Ok(Netlink::route()?.dump(ask)?.into_iter().filter_map(named).collect())
}

/// Removes a link, and the other end of a pair with it.
pub(crate) fn remove(name: &str) -> Message {
    Message::new(kernel::RTM_DELLINK, 0, &header(kernel::AF_UNSPEC, 0, 0)).put_text(kernel::IFLA_IFNAME, name)
}

/// `struct ifinfomsg`, changing these flags.
fn header(family: i32, index: u32, flags: i32) -> [u8; 16] {
    let mut header = [0; 16];
    header[0] = u8::try_from(family).unwrap_or_default();
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&flags.to_ne_bytes());
    header[12..].copy_from_slice(&flags.to_ne_bytes());
    header
}
