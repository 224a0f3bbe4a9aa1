//! Whether filters of this host let packets of sessions that go out pass. Nothing of them is changed here.

use std::fs;

use super::{Check, Node};
use crate::failure::{Failure, during};
use crate::net::host::mark;
use crate::net::netlink::Netlink;
use crate::net::nftables::{self, ForwardChain};

pub(super) fn check(node: &Node) -> Vec<Check> {
    let Some(link) = &node.way_out else { return Vec::new() };
    let mut checks = lets_pass(link, node.configures_host);
    checks.extend(has_legacy_tables(link));
    checks
}

/// Docker and ufw refuse what they do not know; what our own table accepts does not count there.
fn lets_pass(link: &str, is_configured: bool) -> Vec<Check> {
    let name = "forward chains";
    let refusing = match refusing(link) {
        Ok(chains) => chains,
        Err(failure) => {
            return vec![Check::warn(
                name,
                format!("they cannot be read: {}", failure.message),
                "run as root",
            )];
        }
    };
    let (owned, others): (Vec<_>, Vec<_>) = refusing.into_iter().partition(|chain| chain.is_owned);
    if owned.is_empty() && others.is_empty() {
        return vec![Check::ok(name, "no rule of this host refuses what sessions send by default")];
    }
    let checks = [of_others(&others, link, is_configured), of_programs(&owned, link)];
    checks.into_iter().flatten().collect()
}

fn of_others(chains: &[ForwardChain], link: &str, is_configured: bool) -> Option<Check> {
    let (name, names) = ("forward chains", names(chains)?);
    Some(match is_configured {
        true => Check::ok(
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
    })
}

/// Only the program itself can change its tables while it runs.
fn of_programs(chains: &[ForwardChain], link: &str) -> Option<Check> {
    let names = names(chains)?;
    Some(Check::warn(
        "forward chains",
        format!("these refuse what is forwarded by default, and belong to a running program: {names}"),
        format!(
            "tell that program (firewalld?) to forward what comes from {link}; --configure-host cannot do it"
        ),
    ))
}

fn names(chains: &[ForwardChain]) -> Option<String> {
    let names: Vec<String> = chains.iter().map(ToString::to_string).collect();
    (!names.is_empty()).then(|| names.join(", "))
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
