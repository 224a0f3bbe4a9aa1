//! Whether packets of sessions that go out pass this host. Nothing of it is changed here: it is said what to change, or
//! what the node changes by itself where it may.

use std::fs;

use super::{Check, Node};
use crate::failure::{Failure, during};
use crate::net::host::{Version, learned_routes, mark};
use crate::net::netlink::Netlink;
use crate::net::nftables::{self, ForwardChain};

pub(super) fn check(node: &Node) -> Vec<Check> {
    let Some(link) = &node.way_out else { return Vec::new() };
    let mut checks = vec![forwards_v4(node.configures_host)];
    checks.extend(forwards_v6(node.configures_host));
    checks.push(lets_pass(link, node.configures_host));
    checks.extend(has_legacy_tables(link));
    checks
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

/// Docker and ufw refuse what they do not know; what our own table accepts does not count there.
fn lets_pass(link: &str, is_configured: bool) -> Check {
    let name = "forward chains";
    let refusing = match refusing(link) {
        Ok(chains) => chains,
        Err(failure) => {
            return Check::warn(name, format!("they cannot be read: {}", failure.message), "run as root");
        }
    };
    let names = refusing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match refusing.is_empty() {
        true => Check::ok(name, "no rule of this host refuses what sessions send by default"),
        false if is_configured => Check::ok(
            name,
            format!("--configure-host lets sessions pass those that refuse what is forwarded: {names}"),
        ),
        false => Check::warn(
            name,
            format!("these refuse what is forwarded by default: {names}"),
            format!(
                "beside Docker: iptables -I DOCKER-USER -i {link} -j ACCEPT; iptables -I DOCKER-USER -o {link} -m conntrack \
                 --ctstate RELATED,ESTABLISHED -j ACCEPT; with ufw: ufw route allow in on {link}; or let the node do it: \
                 --configure-host"
            ),
        ),
    }
}

/// Chains that refuse by default and have no rule of ours.
fn refusing(link: &str) -> Result<Vec<ForwardChain>, Failure> {
    let netfilter = Netlink::netfilter().map_err(during("open a netlink socket"))?;
    let mut refusing = Vec::new();
    for chain in nftables::forward_chains(&netfilter)?.into_iter().filter(|chain| chain.refuses) {
        if chain.rules_with(&netfilter, &mark(link))?.is_empty() {
            refusing.push(chain);
        }
    }
    Ok(refusing)
}

/// Those of iptables before nftables: their rules can be neither read nor changed by netlink.
fn has_legacy_tables(link: &str) -> Option<Check> {
    let has_filter = |file: &&str| {
        let names = fs::read_to_string(format!("/proc/net/{file}")).unwrap_or_default();
        names.lines().any(|name| name == "filter")
    };
    let is_there = ["ip_tables_names", "ip6_tables_names"].iter().any(has_filter);
    is_there.then(|| {
        Check::warn(
            "legacy tables",
            "this host has filters of iptables-legacy, which cannot be looked into: they may refuse what sessions send",
            format!(
                "iptables-legacy -S FORWARD shows it; where it refuses: iptables-legacy -I FORWARD -i {link} -j ACCEPT; \
                 iptables-legacy -I FORWARD -o {link} -j ACCEPT; --configure-host cannot do it"
            ),
        )
    })
}
