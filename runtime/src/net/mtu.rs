//! Largest packets that the host's way out takes: tunnels and clouds have smaller ones than Ethernet.

use std::fs;

use super::link;
use super::plan::MTU;

/// Least that IPv6 lives with (RFC 8200, section 5).
const LEAST: u32 = 1280;

/// The least of those of the links of both default routes, at most Ethernet's; Ethernet's where there is no such route.
/// What becomes smaller later, or is smaller further on, packets learn on their way.
pub(crate) fn of_host() -> u32 {
    let read = |file| fs::read_to_string(file).unwrap_or_default();
    let (v4, v6) = (read("/proc/net/route"), read("/proc/net/ipv6_route"));
    let ways: Vec<&str> = default_link(&v4).into_iter().chain(default_link_v6(&v6)).collect();
    // Not by /sys, which may show another network namespace.
    let links = link::largest_packets().unwrap_or_default().into_iter();
    let own = links.filter(|(name, _)| ways.contains(&name.as_str())).map(|(_, mtu)| mtu);
    own.min().unwrap_or(MTU).clamp(LEAST, MTU)
}

/// Link of the route to everywhere (proc(5), `/proc/net/route`): destination and mask are zero.
fn default_link(routes: &str) -> Option<&str> {
    let lines = routes.lines().skip(1);
    let mut words = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    let found = words.find(|words| words.get(1) == Some(&"00000000") && words.get(7) == Some(&"00000000"));
    found.and_then(|words| words.first().copied())
}

/// The same of `/proc/net/ipv6_route`, where a route that leads nowhere has the loopback link.
fn default_link_v6(routes: &str) -> Option<&str> {
    let mut words = routes.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let is_zero = |word: &&str| word.bytes().all(|digit| digit == b'0');
    let found = words.find(|words| {
        words.first().is_some_and(is_zero) && words.get(1) == Some(&"00") && words.last() != Some(&"lo")
    });
    found.and_then(|words| words.last().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_route_names_its_link() {
        let routes = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
                      eth1\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
                      wg0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n";
        assert_eq!(default_link(routes), Some("wg0"));
        assert_eq!(default_link("Iface\n"), None);
    }

    #[test]
    fn the_default_route_of_ipv6_names_its_link() {
        let line = |prefix: &str, link: &str| {
            let zero = "0".repeat(32);
            format!("{zero} {prefix} {zero} 00 {zero} 00000400 00000001 00000000 00000003     {link}\n")
        };
        let routes = [line("40", "eth1"), line("00", "lo"), line("00", "wg0")].concat();
        assert_eq!(default_link_v6(&routes), Some("wg0"));
        assert_eq!(default_link_v6(&line("00", "lo")), None);
    }
}
