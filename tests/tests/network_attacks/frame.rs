//! Frames byte by byte: what an instance's own kernel would never send.

use sandlot_runtime::net::plan::{self, Addresses, SWITCH};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Behind each frame of an attack.
pub(crate) const ATTACK: &[u8] = b"sandlot-attack";
/// Behind the frame that comes last.
pub(crate) const LAST: &[u8] = b"sandlot-last";

pub(crate) const EVERYONE: [u8; 6] = [0xff; 6];
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const UDP: u8 = 17;
const ICMPV6: u8 = 58;

/// An instance's addresses by its place in the session.
pub(crate) fn instance(index: u8) -> Addresses {
    plan::of(index.try_into().expect("the tests' instances have indexes"))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// To one, from one, of a kind.
pub(crate) fn ethernet(to: [u8; 6], from: [u8; 6], kind: u16, content: &[u8]) -> Vec<u8> {
    [&to[..], &from, &kind.to_be_bytes(), content].concat()
}

pub(crate) fn udp(from: u16, to: u16) -> Vec<u8> {
    [&from.to_be_bytes()[..], &to.to_be_bytes(), &8u16.to_be_bytes(), &[0; 2]].concat()
}

pub(crate) fn v4(from: Ipv4Addr, to: Ipv4Addr, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + content.len()).unwrap_or(u16::MAX).to_be_bytes();
    let head = [0x45, 0, length[0], length[1], 0, 0, 0, 0, 64, UDP, 0, 0];
    [&head[..], &from.octets(), &to.octets(), content].concat()
}

pub(crate) fn v6(from: Ipv6Addr, to: Ipv6Addr, next: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap_or(u16::MAX).to_be_bytes();
    let head = [0x60, 0, 0, 0, length[0], length[1], next, 255];
    [&head[..], &from.octets(), &to.octets(), content].concat()
}

/// A datagram to all by IPv4, from this hardware and network address.
pub(crate) fn datagram(mac: [u8; 6], from: Ipv4Addr, ports: (u16, u16)) -> Vec<u8> {
    ethernet(EVERYONE, mac, 0x0800, &v4(from, Ipv4Addr::BROADCAST, &udp(ports.0, ports.1)))
}

/// The same by IPv6.
pub(crate) fn datagram_v6(from: Ipv6Addr, ports: (u16, u16)) -> Vec<u8> {
    ethernet(EVERYONE, instance(0).mac.0, 0x86dd, &v6(from, ALL_NODES, UDP, &udp(ports.0, ports.1)))
}

/// An answer of the address resolution protocol to all: the network address is at the hardware address.
pub(crate) fn arp(mac: [u8; 6], address: Ipv4Addr) -> Vec<u8> {
    let head = [0, 1, 8, 0, 6, 4, 0, 2];
    let content =
        [&head[..], &mac, &address.octets(), &EVERYONE, &instance(1).v4.octets(), &[0; 18]].concat();
    ethernet(EVERYONE, instance(0).mac.0, 0x0806, &content)
}

/// A message of ICMPv6 to all.
pub(crate) fn icmpv6(kind: u8, content: &[u8]) -> Vec<u8> {
    icmpv6_behind(&[], ICMPV6, kind, content)
}

/// The same, behind another header.
pub(crate) fn icmpv6_behind(header: &[u8], first: u8, kind: u8, content: &[u8]) -> Vec<u8> {
    let own = instance(0);
    let message = [header, &[kind, 0, 0, 0], content].concat();
    ethernet(EVERYONE, own.mac.0, 0x86dd, &v6(own.link_local, ALL_NODES, first, &message))
}

/// Says that the switch's address is at the attacker's hardware.
pub(crate) fn neighbour_advertisement() -> Vec<u8> {
    let own = [&[2, 1][..], &instance(0).mac.0].concat();
    icmpv6(136, &[&[0x20, 0, 0, 0][..], &SWITCH.v6.octets(), &own].concat())
}

pub(crate) fn router_advertisement_behind_options() -> Vec<u8> {
    // A hop-by-hop header that holds padding.
    icmpv6_behind(&[ICMPV6, 0, 1, 4, 0, 0, 0, 0], 0, 134, &[64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0])
}

/// A frame within a virtual network of this number.
pub(crate) fn tagged(kind: u16, inner: &[u8]) -> Vec<u8> {
    let (addresses, rest) = inner.split_at(12);
    [addresses, &kind.to_be_bytes(), &[0, 7], rest].concat()
}
