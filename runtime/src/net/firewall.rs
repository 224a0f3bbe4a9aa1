//! What a switch lets through, as long as nothing leads out of it.
//!
//! Ports: an instance sends as itself and nobody else, whatever power it has in its own namespace; it is no router and
//! no DHCP server to others. The switch itself: name service and ping. It forwards between ports only.

use std::net::IpAddr;

use super::nftables::{
    Batch, Chain, Element, Family, Field, Hook, Key, Limit, Rule, Set, SetKind, interface,
};
use super::plan::{self, SWITCH};
use super::switch::{BRIDGE, port_name};
use crate::sys::netlink as kernel;

/// Table of the bridge family.
pub(crate) const PORTS: &str = "ports";
/// Table of the switch itself.
pub(crate) const TABLE: &str = "switch";

const ARP: [u8; 2] = [0x08, 0x06];
const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];
pub(super) const ICMP: [u8; 1] = [1];
pub(super) const TCP: [u8; 1] = [6];
pub(super) const UDP: [u8; 1] = [17];
pub(super) const ICMPV6: [u8; 1] = [58];
const DNS: [u8; 2] = [0, 53];

/// Before the kernel's own hooks of bridges.
const FIRST: i32 = -300;
/// Pings that the switch answers in a second.
const PINGS: u64 = 100;

/// As it stands in the frame: the kernel's own notion of it is what comes behind a virtual network's tag (IEEE 802.1Q), and
/// no tag is to cross the switch.
const FRAME_KIND: Field = Field::Frame(12, 2);
const FRAME_SOURCE: (Field, u32) = (Field::Frame(6, 6), 6);
const V4_SOURCE: (Field, u32) = (Field::Network(12, 4), 4);
const V6_SOURCE: (Field, u32) = (Field::Network(8, 16), 16);
/// Sender's hardware and network address (RFC 826, for Ethernet and IPv4).
const ARP_MAC: (Field, u32) = (Field::Network(8, 6), 6);
const ARP_V4: (Field, u32) = (Field::Network(14, 4), 4);
/// Whose neighbour advertisement it is (RFC 4861, section 4.4).
const ADVERTISED: (Field, u32) = (Field::TransportHeader(8, 16), 16);
const PORT_NAME: (Field, u32) = (Field::InName, 16);
const ICMP_TYPE: Field = Field::TransportHeader(0, 1);
const SOURCE_PORT: Field = Field::TransportHeader(0, 2);
pub(super) const TARGET_PORT: Field = Field::TransportHeader(2, 2);

/// ICMPv6 types that make an instance a router to others (RFC 4861): advertisement and redirect.
const ROUTER_TYPES: [u8; 2] = [134, 137];
const NEIGHBOUR_ADVERTISEMENT: [u8; 1] = [136];
/// DHCP's own ports, of IPv4 and IPv6.
const DHCP: [(u16, u16); 2] = [(67, 68), (546, 547)];

fn hook(number: u32, priority: i32, accepts: bool) -> Option<Hook> {
    Some(Hook { number, priority, kind: "filter", accepts })
}

/// The table that keeps each port to its own addresses. The sets name every port that there may be.
pub(super) fn ports() -> Batch {
    let mut batch = Batch::new_table(Family::Bridge, PORTS);
    for (name, key, elements) in owners() {
        batch.set(Set { name, kind: SetKind::Fixed, fields: &[Key::Interface, key], elements });
    }
    batch.chain(Chain { name: "from_port", hook: hook(Hook::PREROUTING, FIRST, false) });
    for rule in port_rules() {
        batch.rule("from_port", rule);
    }
    batch
}

/// Port and address, for each port.
fn owners() -> [(&'static str, Key, Vec<Element>); 3] {
    let all = || plan::indexes().map(|index| (interface(&port_name(index)), plan::of(index)));
    let macs = all().map(|(port, owner)| Element::new(&[&port, &owner.mac.0])).collect();
    let v4 = all().map(|(port, owner)| Element::new(&[&port, &owner.v4.octets()])).collect();
    let v6 = all().flat_map(|(port, owner)| {
        [owner.v6, owner.link_local].map(|address| Element::new(&[&port, &address.octets()]))
    });
    [("macs", Key::Mac, macs), ("v4", Key::V4, v4), ("v6", Key::V6, v6.collect())]
}

fn port_rules() -> Vec<Rule> {
    let foreign = |what, set| Rule::new().unless_in(&[PORT_NAME, what], set).drop();
    let of_type = |kind: &[u8]| Rule::new().when(FRAME_KIND, kind);
    let own = |kind, what, set| of_type(kind).when_in(&[PORT_NAME, what], set);
    let icmpv6 = || of_type(&IPV6).when(Field::Transport, &ICMPV6);
    let mut rules = vec![
        foreign(FRAME_SOURCE, "macs"),
        of_type(&ARP).unless_in(&[PORT_NAME, ARP_MAC], "macs").drop(),
        own(&ARP, ARP_V4, "v4").accept(),
    ];
    for kind in ROUTER_TYPES {
        rules.push(icmpv6().when(ICMP_TYPE, &[kind]).drop());
    }
    let advertisement = icmpv6().when(ICMP_TYPE, &NEIGHBOUR_ADVERTISEMENT);
    rules.push(advertisement.unless_in(&[PORT_NAME, ADVERTISED], "v6").drop());
    for (first, last) in DHCP {
        let ports = (first.to_be_bytes(), last.to_be_bytes());
        rules.push(
            Rule::new().when(Field::Transport, &UDP).when_within(SOURCE_PORT, &ports.0, &ports.1).drop(),
        );
    }
    rules.push(own(&IPV4, V4_SOURCE, "v4").accept());
    rules.push(own(&IPV6, V6_SOURCE, "v6").accept());
    rules
}

/// The table of what reaches the switch itself or would pass through it.
pub(super) fn switch() -> Batch {
    let mut batch = Batch::new_table(Family::Inet, TABLE);
    batch.chain(Chain { name: "input", hook: hook(Hook::INPUT, 0, false) });
    batch.chain(Chain { name: "forward", hook: hook(Hook::FORWARD, 0, false) });
    for address in SWITCH.both() {
        for protocol in [UDP, TCP] {
            let query =
                from_inside().when_to(address).when(Field::Transport, &protocol).when(TARGET_PORT, &DNS);
            batch.rule("input", query.accept());
        }
    }
    for rule in own_messages() {
        batch.rule("input", rule);
    }
    // Where the host's br_netfilter is on, what crosses the bridge comes here as well.
    let across = from_inside().when(Field::OutName, &interface(BRIDGE));
    batch.rule("forward", across.accept());
    batch
}

/// What came from an instance.
pub(super) fn from_inside() -> Rule {
    Rule::new().when(Field::InName, &interface(BRIDGE))
}

/// Pings within their limit, and who is looked for.
fn own_messages() -> Vec<Rule> {
    let icmp = |protocol: [u8; 1], kind: u8| {
        from_inside().when(Field::Transport, &protocol).when(ICMP_TYPE, &[kind])
    };
    let limit = Limit::Packets(PINGS);
    let mut rules = neighbours(from_inside()).map(Rule::accept).to_vec();
    rules.push(icmp(ICMP, 8).when_below(limit).accept());
    rules.push(icmp(ICMPV6, 128).when_below(limit).accept());
    rules
}

/// Whom IPv6 looks for before it sends, and who answers (RFC 4861).
pub(super) fn neighbours(rule: Rule) -> [Rule; 2] {
    [135, 136].map(|kind| rule.clone().when(Field::Transport, &ICMPV6).when(ICMP_TYPE, &[kind]))
}

impl Rule {
    /// It goes to this address.
    pub(super) fn when_to(self, address: IpAddr) -> Self {
        self.when_address(address, if address.is_ipv4() { 16 } else { 24 })
    }

    /// It comes from this address.
    pub(super) fn when_from(self, address: IpAddr) -> Self {
        self.when_address(address, if address.is_ipv4() { 12 } else { 8 })
    }

    fn when_address(self, address: IpAddr, offset: u32) -> Self {
        let version = if address.is_ipv4() { kernel::AF_INET } else { kernel::AF_INET6 };
        let bytes = super::address::bytes(address);
        let length = u32::try_from(bytes.len()).unwrap_or_default();
        self.when(Field::Version, &[u8::try_from(version).unwrap_or_default()])
            .when(Field::Network(offset, length), &bytes)
    }
}
