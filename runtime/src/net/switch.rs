//! A session's switch: a network namespace of the node with a bridge, on which each instance has a port.
//!
//! ```text
//!   node's, host root's power only              the session's, power of its own root
//!   +-----------------------------+             +------------------+
//!   | br0  10.99.0.1  (names :53) |--- p0 ~~~~~~~ eth0  10.99.0.11 | node1
//!   |      firewall of ports      |             +------------------+
//!   |                             |             +------------------+
//!   |                             |--- p1 ~~~~~~~ eth0  10.99.0.12 | node2
//!   +--------------|--------------+             +------------------+
//!                 up0 ~~~ the node's gateway, where the session may go out
//! ```
//!
//! A worker makes one in a namespace that it has just entered; whoever holds the namespace's descriptor keeps it.

use std::fs;
use std::io::ErrorKind;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};

use super::link::End;
use super::netlink::Netlink;
use super::{address, firewall, link, plan};
use crate::failure::{Failure, during};

/// The bridge.
pub(crate) const BRIDGE: &str = "br0";
/// Number of the bridge.
pub(crate) const BRIDGE_INDEX: u32 = 2;
/// Number of the loopback link in every network namespace.
const LOOPBACK_INDEX: u32 = 1;

/// Settings of the switch (kernel, Documentation/networking/ip-sysctl.rst). It neither believes routers nor tells of
/// shorter ways, and frames that cross it are no business of the host's iptables.
const SETTINGS: &[(&str, &str)] = &[
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
    ("ipv4/conf/all/accept_redirects", "0"),
    ("ipv6/conf/all/accept_redirects", "0"),
    ("ipv6/conf/default/accept_redirects", "0"),
    ("bridge/bridge-nf-call-iptables", "0"),
    ("bridge/bridge-nf-call-ip6tables", "0"),
    ("bridge/bridge-nf-call-arptables", "0"),
];

/// Enters a new network namespace and makes the switch in it. The caller has one thread and CAP_SYS_ADMIN on the host.
///
/// # Errors
/// With the step that failed; the namespace goes with the process then.
pub(crate) fn create(mtu: u32) -> Result<(), Failure> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(during("unshare the network namespace"))?;
    set(SETTINGS)?;
    let route = Netlink::route().map_err(during("open a netlink socket"))?;
    let mut requests = vec![
        ("bring the loopback up".to_owned(), link::up(LOOPBACK_INDEX)),
        ("make the bridge".to_owned(), link::new_bridge(BRIDGE, BRIDGE_INDEX, plan::SWITCH.mac, mtu)),
    ];
    let v4 = address::add(BRIDGE_INDEX, plan::SWITCH.v4.into(), plan::PREFIX_V4);
    requests.push(("give the bridge its address".to_owned(), v4));
    if has_v6() {
        let v6 = address::add(BRIDGE_INDEX, plan::SWITCH.v6.into(), plan::PREFIX_V6);
        requests.push(("give the bridge its IPv6 address".to_owned(), v6));
    }
    route.carry_out(requests)?;
    let netfilter = Netlink::netfilter().map_err(during("open a netlink socket"))?;
    firewall::ports().carry_out(&netfilter)?;
    firewall::switch().carry_out(&netfilter)
}

/// Name of an instance's port.
pub(crate) fn port_name(index: crate::supervisor::name::InstanceIndex) -> String {
    format!("p{}", index.get())
}

/// An instance's port as a link.
pub(super) fn port<'a>(name: &'a str, index: crate::supervisor::name::InstanceIndex) -> End<'a> {
    End { name, index: BRIDGE_INDEX + 1 + u32::from(index.get()), mac: None }
}

/// Whether the kernel speaks IPv6.
pub(crate) fn has_v6() -> bool {
    fs::exists("/proc/sys/net/ipv6").unwrap_or(false)
}

/// Writes settings of the current network namespace; what this kernel does not have needs no setting.
pub(crate) fn set(settings: &[(&str, &str)]) -> Result<(), Failure> {
    for (name, value) in settings {
        match fs::write(format!("/proc/sys/net/{name}"), value) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                let errno = Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32));
                return Err(during(format!("set `net/{name}`"))(errno));
            }
            _ => {}
        }
    }
    Ok(())
}
