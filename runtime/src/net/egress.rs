//! What a switch lets out, and how much of it.
//!
//! ```text
//! from br0 to up0:  reply -> pass;  refused for all, SMTP, denied -> reject;  allowed private -> admit;
//!                   private -> reject;  allowed, or nothing is named -> admit;  else reject
//! admit:            not too many a second, not too many at once
//! from up0 to br0:  replies only
//! ```

use std::net::IpAddr;
use std::time::Duration;

use super::firewall::{self, TABLE, TARGET_PORT, TCP, UDP, from_inside};
use super::nftables::{
    Batch, Chain, Element, Family, Field, Hook, Key, Limit, Rule, Set, SetKind, interface,
};
use super::ranges::{self, Range};
use super::{address, uplink};
use crate::supervisor::protocol::{Destination, Egress, Reach};
use crate::sys::netlink as kernel;

/// Mail submission and transfer: a machine for a lesson sends none.
const SMTP: [u16; 3] = [25, 465, 587];
const REPLIES: Hook = Hook { number: Hook::OUTPUT, priority: 0, kind: "filter", accepts: true };
const TRANSLATION: Hook = Hook { number: Hook::POSTROUTING, priority: 100, kind: "nat", accepts: true };

/// Adds the way out to the firewall of a switch. `own` are networks of the node's gateway.
pub(super) fn rules(egress: &Egress, own: &[Range]) -> Batch {
    let mut batch = Batch::of(Family::Inet, TABLE);
    add_sets(&mut batch, egress, own);
    for (name, hook) in
        [("egress", None), ("admit", None), ("output", Some(REPLIES)), ("source", Some(TRANSLATION))]
    {
        batch.chain(Chain { name, hook });
    }
    let out = || Rule::new().when(Field::OutName, &interface(uplink::LINK));
    let back = || Rule::new().when(Field::InName, &interface(uplink::LINK));
    batch.rule("forward", from_inside().when(Field::OutName, &interface(uplink::LINK)).jump("egress"));
    batch.rule("forward", back().when_reply().accept());
    for (chain, rules) in [("input", firewall::neighbours(back())), ("output", firewall::neighbours(out()))] {
        for rule in rules {
            batch.rule(chain, rule.accept());
        }
    }
    // Nothing begins at the switch itself.
    batch.rule("output", out().when_reply().accept());
    batch.rule("output", out().drop());
    batch.rule("source", out().masquerade());
    decide(&mut batch, egress);
    admit(&mut batch, egress);
    batch
}

fn decide(batch: &mut Batch, egress: &Egress) {
    let mut add = |rule: Rule| {
        batch.rule("egress", rule);
    };
    add(Rule::new().when_stray().drop());
    add(Rule::new().when_reply().accept());
    both("refused").into_iter().for_each(|rule| add(rule.reject()));
    for port in SMTP {
        add(Rule::new().when(Field::Transport, &TCP).when(TARGET_PORT, &port.to_be_bytes()).reject());
    }
    egress.deny.iter().flat_map(reached).for_each(|rule| add(rule.reject()));
    let (private, public): (Vec<&Reach>, Vec<&Reach>) =
        egress.allow.iter().partition(|reach| is_private(reach));
    private.into_iter().flat_map(reached).for_each(|rule| add(rule.jump("admit")));
    both("private").into_iter().for_each(|rule| add(rule.reject()));
    if egress.allow.is_empty() {
        add(Rule::new().jump("admit"));
    }
    public.into_iter().flat_map(reached).for_each(|rule| add(rule.jump("admit")));
    add(Rule::new().reject());
}

fn admit(batch: &mut Batch, egress: &Egress) {
    let rate = Limit::Packets(egress.connections_per_second.into());
    batch.rule("admit", Rule::new().when_over(rate).drop());
    batch.rule("admit", Rule::new().when_connections_over(egress.connections).reject());
    batch.rule("admit", Rule::new().accept());
}

/// Whether a reach is an exception from what is private.
fn is_private(reach: &Reach) -> bool {
    match reach.to {
        Destination::Network(address, prefix) => ranges::is_private(address, prefix),
        Destination::Group(_) => false,
    }
}

/// The rules that match a reach: one for each protocol and version.
fn reached(reach: &Reach) -> Vec<Rule> {
    let towards = match reach.to {
        Destination::Network(address, prefix) => {
            let (first, last) = Range(address, prefix).ends();
            vec![to_range(first, last)]
        }
        Destination::Group(group) => both(&group_name(group)).into(),
    };
    let Some((first, last)) = reach.ports else { return towards };
    let ports = (first.to_be_bytes(), last.to_be_bytes());
    let of = |protocol: [u8; 1], rule: &Rule| {
        rule.clone().when(Field::Transport, &protocol).when_within(TARGET_PORT, &ports.0, &ports.1)
    };
    towards.iter().flat_map(|rule| [of(TCP, rule), of(UDP, rule)]).collect()
}

fn to_range(first: IpAddr, last: IpAddr) -> Rule {
    let (version, field, _) = target(first.is_ipv4());
    let rule = Rule::new().when(Field::Version, &version);
    rule.when_within(field, &address::bytes(first), &address::bytes(last))
}

/// To an address in a set that there is for each version.
fn both(set: &str) -> [Rule; 2] {
    [true, false].map(|is_v4| {
        let (version, field, length) = target(is_v4);
        let name = format!("{set}{}", if is_v4 { 4 } else { 6 });
        Rule::new().when(Field::Version, &version).when_in(&[(field, length)], &name)
    })
}

/// Version and place of the address that a packet goes to.
fn target(is_v4: bool) -> ([u8; 1], Field, u32) {
    let (version, field, length) = match is_v4 {
        true => (kernel::AF_INET, Field::Network(16, 4), 4),
        false => (kernel::AF_INET6, Field::Network(24, 16), 16),
    };
    ([u8::try_from(version).unwrap_or_default()], field, length)
}

fn group_name(group: u8) -> String {
    format!("names{group}_")
}

fn add_sets(batch: &mut Batch, egress: &Egress, own: &[Range]) {
    let refused: Vec<Range> = ranges::refused().chain(own.iter().copied()).collect();
    let private: Vec<Range> = ranges::private().collect();
    for (name, all) in [("refused", refused), ("private", private)] {
        for (is_v4, key, version) in [(true, Key::V4, 4), (false, Key::V6, 6)] {
            let elements = merged(all.iter().copied().filter(|range| range.0.is_ipv4() == is_v4));
            let name = format!("{name}{version}");
            batch.set(Set { name: &name, kind: SetKind::Ranges, fields: &[key], elements });
        }
    }
    let groups = egress.allow.iter().chain(&egress.deny).filter_map(|reach| match reach.to {
        Destination::Group(group) => Some(group),
        Destination::Network(..) => None,
    });
    for group in groups.collect::<std::collections::BTreeSet<u8>>() {
        for (key, version) in [(Key::V4, 4), (Key::V6, 6)] {
            let name = format!("{}{version}", group_name(group));
            batch.set(Set { name: &name, kind: SetKind::Fading, fields: &[key], elements: Vec::new() });
        }
    }
}

/// Ranges of a set must not meet.
fn merged(ranges: impl Iterator<Item = Range>) -> Vec<Element> {
    let mut ends: Vec<(IpAddr, IpAddr)> = ranges.map(Range::ends).collect();
    ends.sort_unstable();
    let mut apart: Vec<(IpAddr, IpAddr)> = Vec::new();
    for (first, last) in ends {
        match apart.last_mut() {
            Some((_, end)) if first <= *end => *end = last.max(*end),
            _ => apart.push((first, last)),
        }
    }
    let element =
        |(first, last): (IpAddr, IpAddr)| Element::range(&address::bytes(first), &address::bytes(last));
    apart.into_iter().flat_map(element).collect()
}

/// Lets the addresses of a group of names be reached for a while.
pub(super) fn permit(group: u8, addresses: &[(IpAddr, Duration)]) -> Batch {
    let mut batch = Batch::of(Family::Inet, TABLE);
    for (is_v4, version) in [(true, 4), (false, 6)] {
        let own = addresses.iter().filter(|(address, _)| address.is_ipv4() == is_v4);
        let elements: Vec<Element> =
            own.map(|(address, time)| Element::fading(&address::bytes(*address), *time)).collect();
        let name = format!("{}{version}", group_name(group));
        batch.renewed(&name, &elements);
    }
    batch
}
