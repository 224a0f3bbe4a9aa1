//! An instance's place on its session's switch.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sched::{CloneFlags, setns};
use nix::unistd::Pid;

use super::link::End;
use super::netlink::{Message, Netlink};
use super::switch::{self, BRIDGE_INDEX};
use super::{address, link, plan, uplink};
use crate::failure::{Failure, during};
use crate::supervisor::name::InstanceIndex;

/// The instance's end, as in Docker.
const LINK: &str = "eth0";
/// Its number: behind the loopback.
const LINK_INDEX: u32 = 2;

/// Settings of the instance's network: its addresses are given to it.
const SETTINGS: &[(&str, &str)] = &[
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv6/conf/default/autoconf", "0"),
    ("ipv6/conf/default/accept_redirects", "0"),
    ("ipv4/conf/default/accept_redirects", "0"),
];

/// Where an instance is plugged in.
#[derive(Debug, Clone, Copy)]
pub struct Port<'a> {
    /// The switch's network namespace.
    pub switch: BorrowedFd<'a>,
    /// Which of the ports.
    pub index: InstanceIndex,
    /// Largest packets.
    pub mtu: u32,
}

impl Port<'_> {
    /// Connects the network namespace of `pid`, a child of the caller that still waits. The caller has one thread and
    /// power over both namespaces; it is in the switch's afterwards.
    ///
    /// # Errors
    /// With the step that failed. Links go with their namespaces.
    pub fn plug(&self, pid: Pid) -> Result<(), Failure> {
        let path = format!("/proc/{pid}/ns/net");
        let inside = File::open(&path).map_err(|error| {
            let errno =
                nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or(nix::errno::Errno::EIO as i32));
            during(format!("open `{path}`"))(errno)
        })?;
        enter(inside.as_fd())?;
        switch::set(SETTINGS)?;
        let instance = Netlink::route().map_err(during("open a netlink socket"))?;
        enter(self.switch)?;
        let route = Netlink::route().map_err(during("open a netlink socket"))?;
        route.carry_out(self.connection(inside.as_fd()))?;
        instance.carry_out(self.addresses(uplink::is_there()))
    }

    /// Takes away what an instance that has ended left of its port. Its namespace may go later than its processes.
    ///
    /// # Errors
    /// With what the kernel refused.
    pub fn unplug(&self) -> Result<(), Failure> {
        enter(self.switch)?;
        let name = switch::port_name(self.index);
        let route = Netlink::route().map_err(during("open a netlink socket"))?;
        match route.carry_out(vec![(format!("remove `{name}`"), link::remove(&name))]) {
            Err(failure) if failure.errno == nix::errno::Errno::ENODEV => Ok(()),
            removed => removed,
        }
    }

    fn connection(&self, inside: BorrowedFd<'_>) -> Vec<(String, Message)> {
        let (name, mac) = (switch::port_name(self.index), plan::of(self.index).mac);
        let near = switch::port(&name, self.index);
        let far = End { name: LINK, index: LINK_INDEX, mac: Some(mac) };
        vec![
            (format!("make `{name}`"), link::new_pair(near, Some(BRIDGE_INDEX), far, inside, self.mtu)),
            (format!("tie `{name}`"), link::tie_port(near.index)),
            (format!("place the address of `{name}`"), link::place_mac(near.index, mac)),
        ]
    }

    fn addresses(&self, leads_out: bool) -> Vec<(String, Message)> {
        let own = plan::of(self.index);
        let mut all = vec![("link up", link::up(LINK_INDEX))];
        all.push(("IPv4 address", address::add(LINK_INDEX, own.v4.into(), plan::PREFIX_V4)));
        if switch::has_v6() {
            all.push(("IPv6 address", address::add(LINK_INDEX, own.v6.into(), plan::PREFIX_V6)));
        }
        if leads_out {
            for gateway in plan::SWITCH.both().into_iter().filter(|one| one.is_ipv4() || switch::has_v6()) {
                all.push(("default route", address::default_route(LINK_INDEX, gateway)));
            }
        }
        all.into_iter().map(|(what, message)| (format!("set the instance's {what}"), message)).collect()
    }
}

/// Enters a network namespace.
pub(super) fn enter(namespace: BorrowedFd<'_>) -> Result<(), Failure> {
    setns(namespace, CloneFlags::CLONE_NEWNET).map_err(during("enter a network namespace"))
}
