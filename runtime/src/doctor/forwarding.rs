//! Whether packets of sessions that go out pass this host. Nothing of it is changed: it is said what to change.

use std::fs;

use super::{Check, Node};
use crate::net::nftables;

pub(super) fn check(node: &Node) -> Vec<Check> {
    let Some(link) = &node.way_out else { return Vec::new() };
    vec![forwards(), lets_pass(link)]
}

fn forwards() -> Check {
    let name = "forwarding";
    let set = fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap_or_default();
    match set.trim() {
        "1" => Check::ok(name, "this host forwards packets, as sessions with egress `nat` need"),
        _ => Check::warn(
            name,
            "this host forwards nothing, so sessions with egress `nat` reach nothing",
            "sysctl -w net.ipv4.ip_forward=1, and the same line in /etc/sysctl.d/ for the next start",
        ),
    }
}

/// Docker and ufw refuse what they do not know; what our own table accepts does not count there.
fn lets_pass(link: &str) -> Check {
    let name = "forward chains";
    match nftables::refusing_forward_chains() {
        Ok(chains) if chains.is_empty() => {
            Check::ok(name, "no rule of this host refuses what is forwarded by default")
        }
        Ok(chains) => Check::warn(
            name,
            format!("these refuse what is forwarded by default: {}", chains.join(", ")),
            format!(
                "beside Docker: iptables -I DOCKER-USER -i {link} -j ACCEPT; iptables -I DOCKER-USER -o {link} \
                 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; with ufw: ufw route allow in on {link}"
            ),
        ),
        Err(failure) => Check::warn(name, format!("they cannot be read: {}", failure.message), "run as root"),
    }
}
