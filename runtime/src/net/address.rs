//! Addresses of links, and routes.

use std::net::IpAddr;

use super::netlink::Message;
use crate::sys::netlink as kernel;

/// An address is used at once: nobody else of its network has it.
const NO_DUPLICATES: u8 = 0x02;
/// `RTNH_F_ONLINK`, the lowest byte of the flags: the kernel notes IPv6 neighbours a moment later than they are given.
const ON_LINK: u8 = if cfg!(target_endian = "little") { 4 } else { 0 };
const CREATE: i32 = kernel::NLM_F_CREATE | kernel::NLM_F_EXCL;

/// Gives a link an address with the network of so many bits around it.
pub(crate) fn add(link: u32, address: IpAddr, prefix: u8) -> Message {
    let bytes = bytes(address);
    new_address(link, address, prefix).put(kernel::IFA_LOCAL, &bytes).put(kernel::IFA_ADDRESS, &bytes)
}

/// Gives a link an address that has one neighbour, at the other end.
pub(crate) fn add_facing(link: u32, address: IpAddr, neighbour: IpAddr) -> Message {
    let prefix = if address.is_ipv4() { 32 } else { 128 };
    let message = new_address(link, address, prefix).put(kernel::IFA_LOCAL, &bytes(address));
    message.put(kernel::IFA_ADDRESS, &bytes(neighbour))
}

fn new_address(link: u32, address: IpAddr, prefix: u8) -> Message {
    // `struct ifaddrmsg`: family, prefix, flags, scope, index.
    let mut header = [family(address), prefix, NO_DUPLICATES, 0, 0, 0, 0, 0];
    header[4..].copy_from_slice(&link.to_ne_bytes());
    Message::new(kernel::RTM_NEWADDR, CREATE, &header)
}

/// Sends everything that has no other route to `gateway`.
pub(crate) fn default_route(link: u32, gateway: IpAddr) -> Message {
    // `struct rtmsg`: family, both lengths, tos, table, protocol, scope, type, flags.
    let header = [
        family(gateway),
        0,
        0,
        0,
        kernel::RT_TABLE_MAIN,
        kernel::RTPROT_STATIC,
        kernel::RT_SCOPE_UNIVERSE,
        kernel::RTN_UNICAST,
        ON_LINK,
        0,
        0,
        0,
    ];
    Message::new(kernel::RTM_NEWROUTE, CREATE, &header)
        .put(kernel::RTA_GATEWAY, &bytes(gateway))
        .put(kernel::RTA_OIF, &link.to_ne_bytes())
}

fn family(address: IpAddr) -> u8 {
    u8::try_from(if address.is_ipv4() { kernel::AF_INET } else { kernel::AF_INET6 }).unwrap_or_default()
}

/// In the network's order.
pub(crate) fn bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
