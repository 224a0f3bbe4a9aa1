//! What the instances of a playground reach beyond their session: lists of networks, names and ports, and limits.

use std::net::IpAddr;

use sandlot_runtime::net::ranges;
use sandlot_runtime::supervisor::protocol::{Destination, Egress, MAX_GROUPS, MAX_REACHES, Reach};

use super::{ConfigError, size};

/// Connections that may begin in a second, unless said otherwise: a browser opens fewer, a scan more.
const CONNECTIONS_PER_SECOND: u32 = 100;
/// Connections at once: the node's table of them is shared by all.
const CONNECTIONS: u32 = 2048;

/// A playground's way out.
#[derive(Debug, Clone)]
pub struct Way {
    /// As the supervisor takes it.
    pub rules: Egress,
    /// Names that are allowed, each with the group that its addresses are permitted in.
    allowed: Vec<(Pattern, u8)>,
    /// Names that are not known.
    denied: Vec<Pattern>,
}

/// A name, or all below one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    name: String,
    below: bool,
}

/// The keys of a playground's table that are about it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Keys<'a> {
    pub(crate) kind: Option<&'a str>,
    pub(crate) allow: &'a [String],
    pub(crate) deny: &'a [String],
    pub(crate) bandwidth: Option<&'a str>,
    pub(crate) connections: Option<u32>,
}

impl Way {
    /// From a playground's table; `None` where nothing leads out.
    pub(crate) fn parse(keys: Keys<'_>) -> Result<Option<Self>, ConfigError> {
        match keys.kind.unwrap_or("none") {
            "none" if keys.allow.is_empty() && keys.deny.is_empty() => return Ok(None),
            "none" => {
                return Err(ConfigError::value(
                    "egress",
                    "none",
                    "must be \"nat\" where egress_allow or egress_deny stand",
                ));
            }
            "nat" => {}
            other => return Err(ConfigError::value("egress", other, "must be none or nat")),
        }
        let mut way = Self { rules: limits(keys)?, allowed: Vec::new(), denied: Vec::new() };
        keys.allow.iter().try_for_each(|text| way.add_allowed(text))?;
        keys.deny.iter().try_for_each(|text| way.add_denied(text))?;
        for (key, list) in [("egress_allow", &way.rules.allow), ("egress_deny", &way.rules.deny)] {
            if list.len() > MAX_REACHES {
                let rule = format!("may lead to {MAX_REACHES} networks and groups of names");
                return Err(ConfigError::value(key, &list.len().to_string(), &rule));
            }
        }
        Ok(Some(way))
    }

    fn add_allowed(&mut self, text: &str) -> Result<(), ConfigError> {
        let (target, ports) = split("egress_allow", text)?;
        match target {
            Target::Networks(networks) => self.rules.allow.extend(reaches(&networks, ports)),
            Target::Name(name) => {
                let group = self.group_of("egress_allow", text, ports)?;
                self.allowed.push((name, group));
            }
        }
        Ok(())
    }

    /// Names with the same ports share a group.
    fn group_of(&mut self, key: &str, text: &str, ports: Option<(u16, u16)>) -> Result<u8, ConfigError> {
        let groups = self.rules.allow.iter().filter_map(|reach| match reach.to {
            Destination::Group(group) => Some((group, reach.ports)),
            Destination::Network(..) => None,
        });
        let known: Vec<(u8, Option<(u16, u16)>)> = groups.collect();
        if let Some((group, _)) = known.iter().find(|(_, own)| *own == ports) {
            return Ok(*group);
        }
        let group = u8::try_from(known.len()).ok().filter(|group| *group < MAX_GROUPS);
        let group =
            group.ok_or_else(|| ConfigError::value(key, text, "names have too many different ports"))?;
        self.rules.allow.push(Reach { to: Destination::Group(group), ports });
        Ok(group)
    }

    fn add_denied(&mut self, text: &str) -> Result<(), ConfigError> {
        match split("egress_deny", text)? {
            (Target::Networks(networks), ports) => self.rules.deny.extend(reaches(&networks, ports)),
            (Target::Name(name), None) => self.denied.push(name),
            (Target::Name(_), Some(_)) => {
                return Err(ConfigError::value(
                    "egress_deny",
                    text,
                    "a name is denied as a whole, without a port",
                ));
            }
        }
        Ok(())
    }

    /// Whether a name may be asked for, and the groups that its addresses are permitted in. In lower case, without the
    /// dot at its end.
    pub fn groups_of(&self, name: &str) -> Option<Vec<u8>> {
        if self.denied.iter().any(|pattern| pattern.matches(name)) {
            return None;
        }
        let groups: Vec<u8> = self
            .allowed
            .iter()
            .filter(|(pattern, _)| pattern.matches(name))
            .map(|(_, group)| *group)
            .collect();
        // Where networks are listed, a name may lead to one of them.
        let names_only = !self.allowed.is_empty() && self.rules.allow.iter().all(is_group);
        (!names_only || !groups.is_empty()).then_some(groups)
    }

    /// Whether an answer may tell of this address: others are reached by nobody, or not from here.
    pub fn tells(&self, address: IpAddr) -> bool {
        ranges::reaches(&self.rules, address)
    }

    /// Private networks among those that are allowed.
    pub fn private(&self) -> impl Iterator<Item = (IpAddr, u8)> {
        self.rules.allow.iter().filter_map(|reach| match reach.to {
            Destination::Network(address, prefix) if ranges::is_private(address, prefix) => {
                Some((address, prefix))
            }
            _ => None,
        })
    }
}

fn is_group(reach: &Reach) -> bool {
    matches!(reach.to, Destination::Group(_))
}

fn limits(keys: Keys<'_>) -> Result<Egress, ConfigError> {
    let connections_per_second = keys.connections.unwrap_or(CONNECTIONS_PER_SECOND);
    if !(1..=100_000).contains(&connections_per_second) {
        let value = connections_per_second.to_string();
        return Err(ConfigError::value("egress_connections", &value, "must be 1 to 100000 in a second"));
    }
    let bytes_per_second = keys.bandwidth.map(|text| size::bytes("egress_bandwidth", text)).transpose()?;
    if let Some(slow) = bytes_per_second.filter(|bytes| *bytes < 1024) {
        return Err(ConfigError::value(
            "egress_bandwidth",
            &slow.to_string(),
            "must be at least 1 KiB in a second",
        ));
    }
    let (allow, deny) = (Vec::new(), Vec::new());
    Ok(Egress { allow, deny, bytes_per_second, connections_per_second, connections: CONNECTIONS })
}

fn reaches(networks: &[(IpAddr, u8)], ports: Option<(u16, u16)>) -> Vec<Reach> {
    let reach =
        |(address, prefix): &(IpAddr, u8)| Reach { to: Destination::Network(*address, *prefix), ports };
    networks.iter().map(reach).collect()
}

enum Target {
    Networks(Vec<(IpAddr, u8)>),
    Name(Pattern),
}

/// `NETWORK`, `NAME` or `*`, each maybe with `:PORT` or `:FIRST-LAST`; an IPv6 network before a port stands in brackets.
fn split(key: &str, text: &str) -> Result<(Target, Option<(u16, u16)>), ConfigError> {
    let wrong = || {
        ConfigError::value(
            key,
            text,
            "must be a network, a name, *.name or *, maybe with :port or :first-last",
        )
    };
    if let Some(network) = network(text) {
        return Ok((Target::Networks(vec![network]), None));
    }
    let (target, ports) = match text.rsplit_once(':') {
        Some((target, ports)) => (target, Some(range(ports).ok_or_else(wrong)?)),
        None => (text, None),
    };
    let target = target.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(target);
    if target == "*" {
        let everywhere = [("0.0.0.0", 0), ("::", 0)];
        let all = everywhere.iter().filter_map(|(address, prefix)| Some((address.parse().ok()?, *prefix)));
        return Ok((Target::Networks(all.collect()), ports));
    }
    match (network(target), Pattern::parse(target)) {
        (Some(network), _) => Ok((Target::Networks(vec![network]), ports)),
        (None, Some(name)) => Ok((Target::Name(name), ports)),
        (None, None) => Err(wrong()),
    }
}

fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, prefix) =
        text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.map_or(Some(most), |prefix| prefix.parse().ok().filter(|prefix| *prefix <= most))?;
    Some((address, prefix))
}

fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first > 0 && first <= last).then_some((first, last))
}

impl Pattern {
    fn parse(text: &str) -> Option<Self> {
        let (name, below) = text.strip_prefix("*.").map_or((text, false), |name| (name, true));
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let good = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        // Numbers alone would be an address that was mistyped.
        let is_name = name.bytes().any(|b| b.is_ascii_alphabetic()) && name.split('.').all(good);
        (is_name && name.len() <= 253).then_some(Self { name, below })
    }

    fn matches(&self, name: &str) -> bool {
        match self.below {
            true => name.strip_suffix(&self.name).is_some_and(|rest| rest.ends_with('.')),
            false => name == self.name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(allow: &[&str], deny: &[&str]) -> Result<Way, ConfigError> {
        let own = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let (allow, deny) = (own(allow), own(deny));
        let keys = Keys { kind: Some("nat"), allow: &allow, deny: &deny, ..Keys::default() };
        Way::parse(keys).map(|way| way.unwrap())
    }

    #[test]
    fn names_are_known_as_the_lists_say() {
        let open = way(&[], &["evil.example", "*.evil.example"]).unwrap();
        assert_eq!(open.groups_of("good.example"), Some(vec![]));
        assert_eq!((open.groups_of("evil.example"), open.groups_of("a.evil.example")), (None, None));
        let some = way(&["deb.debian.org:80", "*.example:80", "other.example:443"], &[]).unwrap();
        assert_eq!(some.groups_of("deb.debian.org"), Some(vec![0]));
        assert_eq!(some.groups_of("other.example"), Some(vec![0, 1]));
        assert_eq!((some.groups_of("debian.org"), some.groups_of("example")), (None, None));
        let mixed = way(&["203.0.113.0/24:443", "a.example"], &[]).unwrap();
        assert_eq!(
            (mixed.groups_of("a.example"), mixed.groups_of("b.example")),
            (Some(vec![0]), Some(vec![]))
        );
    }

    #[test]
    fn entries_are_networks_names_and_ports() {
        let way = way(&["10.1.0.0/16", "*:443", "[2001:db8::/32]:8000-8100", "2001:db8::1"], &[]).unwrap();
        let ports: Vec<_> = way.rules.allow.iter().map(|reach| reach.ports).collect();
        assert_eq!(ports, [None, Some((443, 443)), Some((443, 443)), Some((8000, 8100)), None]);
        assert_eq!(way.private().count(), 1);
        for wrong in ["", "10.0.0.0/33", "1.2.3", "a b", "x.example:0", "x.example:9-1", "*.", "x..y"] {
            let lists = [wrong.to_owned()];
            let keys = Keys { kind: Some("nat"), allow: &lists, ..Keys::default() };
            assert!(Way::parse(keys).is_err(), "{wrong}");
        }
    }
}
