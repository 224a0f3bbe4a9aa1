//! Largest packets that the host's way out takes: tunnels and clouds have smaller ones than Ethernet.

use std::fs;

use super::plan::MTU;

/// Least that IPv6 lives with (RFC 8200, section 5).
const LEAST: u32 = 1280;

/// That of the link of the default route, at most Ethernet's; Ethernet's where there is no such route.
pub(crate) fn of_host() -> u32 {
    let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
    let link = default_link(&routes).map(|name| format!("/sys/class/net/{name}/mtu"));
    let mtu = link.and_then(|path| fs::read_to_string(path).ok()).and_then(|text| text.trim().parse().ok());
    mtu.unwrap_or(MTU).clamp(LEAST, MTU)
}

/// Link of the route to everywhere (proc(5), `/proc/net/route`): destination and mask are zero.
fn default_link(routes: &str) -> Option<&str> {
    let lines = routes.lines().skip(1);
    let mut words = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    let found = words.find(|words| words.get(1) == Some(&"00000000") && words.get(7) == Some(&"00000000"));
    found.and_then(|words| words.first().copied())
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
}
