//! The node's gateway: a network namespace between the switches of sessions and the host.
//!
//! ```text
//! switch  up0 ~~~ sN  gateway  out0 ~~~ <prefix>-out  host  ... its own way out
//!   own address of        one address for            the host's address for
//!   the session           all sessions               that one
//! ```
//!
//! No session reaches another here, and none the host itself; the host begins nothing towards them. What is made in the
//! host's own namespace is one link and one table of nftables, and both go with the supervisor: the link with this
//! namespace, the table with the socket that made it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, unshare};

use super::link::End;
use super::netlink::Netlink;
use super::nftables::{Batch, Chain, Family, Field, Hook, Rule, interface};
use super::port::enter;
use super::ranges::Range;
use super::{address, firewall, link, switch, uplink};
use crate::failure::{Failure, during};
use crate::supervisor::name::SessionNumber;

/// The gateway's end of the link to the host.
const LINK: &str = "out0";
const LINK_INDEX: u32 = 2;
/// Before the host's own filters: what it refuses no rule of the host's lets pass.
const BEFORE: i32 = -10;
/// Bits of the gateway's network, at most: the host, the gateway, and every session's address.
pub(crate) const MOST_PREFIX: u8 = 16;

const SETTINGS: &[(&str, &str)] = &[
    ("ipv4/ip_forward", "1"),
    ("ipv6/conf/all/forwarding", "1"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv4/conf/all/rp_filter", "1"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
];

/// Addresses of host, gateway and sessions towards each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network(pub(crate) Ipv4Addr);

impl Network {
    fn v4(self, number: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.0.to_bits() + number)
    }

    fn host(self) -> [IpAddr; 2] {
        uplink::session_addresses(self.v4(1), v6(0xffff, 1))
    }

    /// The gateway's, towards the host and every session.
    pub(super) fn gateway(self) -> [IpAddr; 2] {
        uplink::session_addresses(self.v4(2), v6(0xffff, 2))
    }

    /// A session's.
    pub(super) fn session(self, session: SessionNumber) -> [IpAddr; 2] {
        uplink::session_addresses(self.v4(256 + session.get()), v6(0xfffe, session.get()))
    }

    /// All of them.
    pub(super) fn ranges(self) -> [Range; 2] {
        [Range(self.0.into(), MOST_PREFIX), Range(v6(0xfffe, 0).into(), 63)]
    }
}

/// Addresses beside those of a session's own network.
fn v6(part: u16, number: u32) -> Ipv6Addr {
    let [high, low] = [number >> 16, number & 0xffff].map(|half| u16::try_from(half).unwrap_or_default());
    Ipv6Addr::new(0xfd53, 0x616e, 0x646c, part, 0, 0, high, low)
}

/// What the supervisor holds.
#[derive(Debug)]
pub(crate) struct Gateway {
    /// The network namespace.
    pub(crate) namespace: OwnedFd,
    /// The socket that the host's table lives by.
    pub(crate) table: OwnedFd,
}

/// Makes it. The caller is in the host's network namespace, with one thread and all power; it is in the gateway's
/// afterwards.
///
/// # Errors
/// With the step that failed; what was made goes with the process.
pub(crate) fn create(prefix: &str, network: Network, mtu: u32) -> Result<Gateway, Failure> {
    let (host, open) = (namespace()?, || Netlink::route().map_err(during("open a netlink socket")));
    let host_route = open()?;
    let table = Netlink::netfilter().map_err(during("open a netlink socket"))?;
    let name = format!("{prefix}-out");
    remove_old(&host_route, &name)?;
    host_table(prefix, &name, network).carry_out(&table)?;
    unshare(CloneFlags::CLONE_NEWNET).map_err(during("unshare the network namespace"))?;
    switch::set(SETTINGS)?;
    let (own, route) = (namespace()?, open()?);
    let netfilter = Netlink::netfilter().map_err(during("open a netlink socket"))?;
    own_table().carry_out(&netfilter)?;
    enter(host.as_fd())?;
    connect(&host_route, &name, own.as_fd(), mtu)?;
    let index = if_nametoindex(name.as_str()).map_err(during(format!("find `{name}`")))?;
    host_route.carry_out(facing(index, network.host(), network.gateway(), false))?;
    route.carry_out(facing(LINK_INDEX, network.gateway(), network.host(), true))?;
    enter(own.as_fd())?;
    Ok(Gateway { namespace: own, table: table.into_socket() })
}

fn namespace() -> Result<OwnedFd, Failure> {
    let opened = std::fs::File::open("/proc/self/ns/net").map(OwnedFd::from);
    opened.map_err(|error| {
        during("open the network namespace")(Errno::from_raw(
            error.raw_os_error().unwrap_or(Errno::EIO as i32),
        ))
    })
}

/// A supervisor that was killed may have left its link for the kernel to remove.
fn remove_old(host: &Netlink, name: &str) -> Result<(), Failure> {
    match if_nametoindex(name) {
        Ok(_) => match host.carry_out(vec![(format!("remove `{name}`"), link::remove(name))]) {
            Err(failure) if failure.errno == Errno::ENODEV => Ok(()),
            removed => removed,
        },
        Err(_) => Ok(()),
    }
}

fn connect(host: &Netlink, name: &str, gateway: BorrowedFd<'_>, mtu: u32) -> Result<(), Failure> {
    let near = End { name, index: 0, mac: None };
    let far = End { name: LINK, index: LINK_INDEX, mac: None };
    host.carry_out(vec![(format!("make `{name}`"), link::new_pair(near, None, far, gateway, mtu))])
}

fn facing(
    index: u32,
    own: [IpAddr; 2],
    other: [IpAddr; 2],
    leads_out: bool,
) -> Vec<(String, super::netlink::Message)> {
    let mut all = vec![link::up(index)];
    for (own, other) in own.into_iter().zip(other).filter(|(own, _)| own.is_ipv4() || switch::has_v6()) {
        all.push(address::add_facing(index, own, other));
        all.extend(leads_out.then(|| address::default_route(index, other)));
    }
    all.into_iter().map(|message| ("set the link between host and gateway".to_owned(), message)).collect()
}

fn filter(number: u32, priority: i32, accepts: bool) -> Option<Hook> {
    Some(Hook { number, priority, kind: "filter", accepts })
}

const SOURCE: Hook = Hook { number: Hook::POSTROUTING, priority: 100, kind: "nat", accepts: true };

/// In the gateway: out and back, never across.
fn own_table() -> Batch {
    let mut batch = Batch::new_table(Family::Inet, "gateway");
    batch.chain(Chain { name: "input", hook: filter(Hook::INPUT, 0, false) });
    batch.chain(Chain { name: "forward", hook: filter(Hook::FORWARD, 0, false) });
    batch.chain(Chain { name: "source", hook: Some(SOURCE) });
    let out = interface(LINK);
    for rule in firewall::neighbours(Rule::new()) {
        batch.rule("input", rule.accept());
    }
    batch.rule("input", Rule::new().when_reply().accept());
    batch.rule("forward", Rule::new().when_stray().drop());
    batch.rule("forward", Rule::new().unless(Field::InName, &out).when(Field::OutName, &out).accept());
    batch.rule("forward", Rule::new().when(Field::InName, &out).when_reply().accept());
    batch.rule("source", Rule::new().when(Field::OutName, &out).masquerade());
    batch
}

/// On the host: sessions reach nothing of it but the way through, and it begins nothing towards them.
fn host_table(prefix: &str, name: &str, network: Network) -> Batch {
    let mut batch = Batch::new_owned_table(Family::Inet, &format!("sandlot-{prefix}"));
    let link = interface(name);
    let from = || Rule::new().when(Field::InName, &link);
    let to = || Rule::new().when(Field::OutName, &link);
    batch.chain(Chain { name: "input", hook: filter(Hook::INPUT, BEFORE, true) });
    batch.chain(Chain { name: "forward", hook: filter(Hook::FORWARD, BEFORE, true) });
    batch.chain(Chain { name: "output", hook: filter(Hook::OUTPUT, BEFORE, true) });
    batch.chain(Chain { name: "source", hook: Some(SOURCE) });
    for rule in firewall::neighbours(from()) {
        batch.rule("input", rule.accept());
    }
    for rule in firewall::neighbours(to()) {
        batch.rule("output", rule.accept());
    }
    batch.rule("input", from().when_reply().accept());
    batch.rule("input", from().reject());
    batch.rule("forward", to().when_reply().accept());
    batch.rule("forward", to().drop());
    batch.rule("output", to().when_reply().accept());
    batch.rule("output", to().drop());
    for address in network.gateway() {
        batch.rule("source", Rule::new().when_from(address).unless(Field::OutName, &link).masquerade());
    }
    batch
}
