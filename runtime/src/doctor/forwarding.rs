//! Whether this host forwards packets, as sessions that go out need. Nothing of it is changed here: it is said what to
//! change, or what the node changes by itself where it may.

use std::fs;

use super::{Check, Node};
use crate::net::host::{Version, learned_routes};

pub(super) fn check(node: &Node) -> Vec<Check> {
    if node.way_out.is_none() {
        return Vec::new();
    }
    let v6 = forwards_v6(node.configures_host);
    std::iter::once(forwards_v4(node.configures_host)).chain(v6).collect()
}

fn forwards_v4(is_configured: bool) -> Check {
    let name = "forwarding";
    match Version::V4.forwards() {
        Some(true) => Check::ok(name, "this host forwards packets, as sessions with egress `nat` need"),
        _ if is_configured => {
            Check::ok(name, "this host forwards nothing; --configure-host turns it on with the first session")
        }
        _ => Check::warn(
            name,
            "this host forwards nothing, so sessions with egress `nat` reach nothing",
            "sysctl -w net.ipv4.ip_forward=1, and the same line in /etc/sysctl.d/ for the next start; or let the node do \
             it: --configure-host",
        ),
    }
}

/// Matters only where the host itself has a way out for IPv6.
fn forwards_v6(is_configured: bool) -> Option<Check> {
    let name = "forwarding (IPv6)";
    let routes = fs::read_to_string("/proc/net/ipv6_route").unwrap_or_default();
    if !routes.lines().any(is_way_out) {
        return None;
    }
    Some(match Version::V6.forwards()? {
        true => Check::ok(name, "this host forwards IPv6"),
        false if is_configured => {
            Check::ok(name, "this host forwards no IPv6; --configure-host turns it on with the first session")
        }
        false => {
            Check::warn(name, "this host forwards no IPv6, so sessions reach nothing by it", advice_v6())
        }
    })
}

/// A line of /proc/net/ipv6_route that leads everywhere, by a link that leads anywhere.
fn is_way_out(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_default = words.first().is_some_and(|to| to.bytes().all(|digit| digit == b'0'));
    is_default && words.get(1) == Some(&"00") && words.get(9).is_some_and(|link| *link != "lo")
}

fn advice_v6() -> String {
    let links = learned_routes();
    let keep: String =
        links.iter().map(|link| format!("sysctl -w net.ipv6.conf.{link}.accept_ra=2; ")).collect();
    let why = if keep.is_empty() {
        ""
    } else {
        " (in this order: else the host drops the routes that it has learned)"
    };
    format!("{keep}sysctl -w net.ipv6.conf.all.forwarding=1{why}; or --configure-host")
}
