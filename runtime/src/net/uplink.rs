//! A session's way from its switch to the node's gateway.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::net::if_::if_nametoindex;

use super::gateway::Network;
use super::link::End;
use super::netlink::{Message, Netlink};
use super::port::enter;
use super::{address, egress, link, qdisc, switch};
use crate::failure::{Failure, during};
use crate::supervisor::name::SessionNumber;
use crate::supervisor::protocol::Egress;

/// The switch's end.
pub(crate) const LINK: &str = "up0";
/// Its number: above those of the ports.
const LINK_INDEX: u32 = 64;
/// Numbers of the gateway's ends are those of the sessions above this.
const FIRST_INDEX: u32 = 1000;

/// Settings of a switch that leads further.
const SETTINGS: &[(&str, &str)] = &[
    ("ipv4/ip_forward", "1"),
    ("ipv6/conf/all/forwarding", "1"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv4/conf/all/rp_filter", "1"),
];

/// One session's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Uplink<'a> {
    /// The switch's network namespace.
    pub(crate) switch: BorrowedFd<'a>,
    /// The gateway's.
    pub(crate) gateway: BorrowedFd<'a>,
    /// Whose it is.
    pub(crate) session: SessionNumber,
    /// Addresses between gateway and sessions.
    pub(crate) network: Network,
    /// Largest packets.
    pub(crate) mtu: u32,
}

/// Whether the switch of the current network namespace leads further.
pub(super) fn is_there() -> bool {
    if_nametoindex(LINK).is_ok()
}

impl Uplink<'_> {
    /// Connects both, and sets what may pass. The caller has one thread and power over both namespaces; it is in the
    /// switch's afterwards.
    ///
    /// # Errors
    /// With the step that failed. Links go with the switch's namespace.
    pub(crate) fn connect(&self, rules: &Egress) -> Result<(), Failure> {
        enter(self.gateway)?;
        let gateway = Netlink::route().map_err(during("open a netlink socket"))?;
        self.remove_old(&gateway)?;
        enter(self.switch)?;
        switch::set(SETTINGS)?;
        let netfilter = Netlink::netfilter().map_err(during("open a netlink socket"))?;
        egress::rules(rules, &self.network.ranges()).carry_out(&netfilter)?;
        let route = Netlink::route().map_err(during("open a netlink socket"))?;
        let far = self.far_name();
        let pair = link::new_pair(
            End { name: LINK, index: LINK_INDEX, mac: None },
            None,
            End { name: &far, index: self.far_index(), mac: None },
            self.gateway,
            self.mtu,
        );
        route.carry_out(vec![("make the uplink".to_owned(), pair)])?;
        gateway.carry_out(named("set the gateway's end", self.far_end(rules)))?;
        route.carry_out(named("set the uplink", self.near_end(rules)))
    }

    /// An earlier session of this number may have left its end for the kernel to remove.
    fn remove_old(&self, gateway: &Netlink) -> Result<(), Failure> {
        let name = self.far_name();
        if if_nametoindex(name.as_str()).is_err() {
            return Ok(());
        }
        match gateway.carry_out(vec![(format!("remove `{name}`"), link::remove(&name))]) {
            Err(failure) if failure.errno == Errno::ENODEV => Ok(()),
            removed => removed,
        }
    }

    fn far_name(&self) -> String {
        format!("s{}", self.session)
    }

    fn far_index(&self) -> u32 {
        FIRST_INDEX + self.session.get()
    }

    fn far_end(&self, rules: &Egress) -> Vec<Message> {
        let index = self.far_index();
        let mut all = vec![link::up(index)];
        for (own, other) in self.network.gateway().into_iter().zip(self.network.session(self.session)) {
            all.extend(usable(own).then(|| address::add_facing(index, own, other)));
        }
        all.extend(rules.bytes_per_second.map(|rate| qdisc::limit(index, rate)));
        all
    }

    fn near_end(&self, rules: &Egress) -> Vec<Message> {
        let mut all = Vec::new();
        for (own, other) in self.network.session(self.session).into_iter().zip(self.network.gateway()) {
            if usable(own) {
                all.push(address::add_facing(LINK_INDEX, own, other));
                all.push(address::default_route(LINK_INDEX, other));
            }
        }
        all.extend(rules.bytes_per_second.map(|rate| qdisc::limit(LINK_INDEX, rate)));
        all
    }
}

fn usable(address: IpAddr) -> bool {
    address.is_ipv4() || switch::has_v6()
}

fn named(what: &str, messages: Vec<Message>) -> Vec<(String, Message)> {
    messages.into_iter().map(|message| (what.to_owned(), message)).collect()
}

/// Lets addresses of a group of names be reached for a while, from the switch in this namespace.
///
/// # Errors
/// With what the kernel refused.
pub(crate) fn permit(
    switch: BorrowedFd<'_>,
    group: u8,
    addresses: &[(IpAddr, Duration)],
) -> Result<(), Failure> {
    enter(switch)?;
    let netfilter = Netlink::netfilter().map_err(during("open a netlink socket"))?;
    egress::permit(group, addresses).carry_out(&netfilter)
}

/// The addresses of a session towards the gateway.
pub(super) fn session_addresses(v4: Ipv4Addr, v6: Ipv6Addr) -> [IpAddr; 2] {
    [v4.into(), v6.into()]
}
