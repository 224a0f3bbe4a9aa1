//! Which addresses may be reached, by who asks. Pure rules, but for the question whether an address is the node's own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use ipnet::IpNet;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// The node's operator: private networks and loopback are theirs. Only where a registry sends them on to, they may
    /// not reach what is local, unless the registry itself is.
    Operator,
    /// A session: reaches the public internet, and what the settings allow on top.
    Session,
}

/// The rule for one connection.
#[derive(Debug, Clone)]
pub(super) enum Reach {
    /// Everything.
    Any,
    /// Everything but this host and its link.
    NotLocal,
    /// Global unicast addresses of others, and these networks.
    Public(Vec<IpNet>),
}

const LOOPBACK: &str = "a loopback address";
const METADATA: &str = "a metadata service's address";
const LINK: &str = "a link-local address";
const NO_HOST: &str = "not the address of one host";
const PRIVATE: &str = "a private or reserved address";
const OWN: &str = "an address of this node";

impl Reach {
    /// Why the address may not be reached; `None` if it may.
    pub(super) fn refuses(&self, address: IpAddr) -> Option<&'static str> {
        let address = embedded(address);
        match self {
            Self::Any => None,
            Self::NotLocal => local(address),
            Self::Public(allow) => public(address, allow),
        }
    }
}

fn public(address: IpAddr, allow: &[IpNet]) -> Option<&'static str> {
    // A metadata service hands out the node's own credentials: no list may open it by being too wide.
    if is_metadata(address) {
        return Some(METADATA);
    }
    if allow.iter().any(|network| network.contains(&address)) {
        return None;
    }
    let special = match address {
        IpAddr::V4(address) => is_special_v4(address),
        IpAddr::V6(address) => is_special_v6(address),
    };
    local(address).or(special.then_some(PRIVATE)).or_else(|| is_own(address).then_some(OWN))
}

fn local(address: IpAddr) -> Option<&'static str> {
    let broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
    let this_network = matches!(address, IpAddr::V4(address) if address.octets()[0] == 0);
    match address {
        _ if is_metadata(address) => Some(METADATA),
        _ if is_loopback(address) => Some(LOOPBACK),
        _ if address.is_unspecified() || address.is_multicast() || broadcast || this_network => Some(NO_HOST),
        IpAddr::V4(address) if address.is_link_local() => Some(LINK),
        IpAddr::V6(address) if address.is_unicast_link_local() => Some(LINK),
        _ => None,
    }
}

/// Whether this host answers itself there.
pub(super) fn is_loopback(address: IpAddr) -> bool {
    embedded(address).is_loopback()
}

/// The services of clouds that hand a machine its credentials.
fn is_metadata(address: IpAddr) -> bool {
    const V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    address == IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254))
        || address == IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2))
        || address == IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200))
        || address == IpAddr::V6(V6)
}

/// The IPv4 address that an IPv6 one stands for: mapped, compatible, NAT64 (RFC 6052) or 6to4 (RFC 3056).
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let segments = v6.segments();
    let pair = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0..=1] => address,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => pair(high, low),
        [0x2002, high, low, ..] => pair(high, low),
        _ => address,
    }
}

/// Not globally reachable, or not one host (IANA, "IPv4 Special-Purpose Address Registry").
fn is_special_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    address.is_private()
        || address.is_documentation()
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        || a >= 240
}

/// Outside of what is handed out for global use, or special within it (IANA, "IPv6 Special-Purpose Address Registry").
/// The forms that stand for an IPv4 address were judged as that.
fn is_special_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let global = first & 0xe000 == 0x2000;
    let protocols = first == 0x2001 && second < 0x200;
    let documentation = (first == 0x2001 && second == 0xdb8) || (first == 0x3fff && second < 0x1000);
    !global || protocols || documentation
}

/// Whether the address is the node's: the kernel would then speak to it from itself. Nothing is sent.
fn is_own(address: IpAddr) -> bool {
    let any: SocketAddr = match address {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let from = UdpSocket::bind(any).and_then(|socket| {
        socket.connect((address, 9))?;
        socket.local_addr()
    });
    // Without a route there is no connection either.
    from.is_ok_and(|from| from.ip() == address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(reach: &Reach, text: &str) -> Option<&'static str> {
        reach.refuses(text.parse().unwrap())
    }

    #[test]
    fn a_session_reaches_public_addresses_only() {
        let reach = Reach::Public(Vec::new());
        for good in [
            "1.1.1.1",
            "93.184.216.34",
            "2606:4700::1111",
            "64:ff9b::101:101",
            "2002:101:101::1",
            "100.63.255.255",
        ] {
            assert_eq!(why(&reach, good), None, "{good}");
        }
        let refused = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "2002:a00:1::",
            "2001::1",
            "2001:db8::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
            "3fff::1",
            "4000::1",
        ];
        for bad in refused {
            assert!(why(&reach, bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn what_is_allowed_on_top_never_opens_the_metadata_service() {
        let reach = Reach::Public(vec!["0.0.0.0/0".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        assert_eq!(why(&reach, "10.0.0.1"), None);
        assert_eq!(why(&reach, "::ffff:10.0.0.1"), None);
        assert_eq!(why(&reach, "fd12::1"), None);
        for bad in ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254"] {
            assert_eq!(why(&reach, bad), Some(METADATA), "{bad}");
        }
    }

    #[test]
    fn operators_are_sent_anywhere_but_home() {
        for good in ["10.0.0.1", "192.168.1.1", "1.1.1.1", "fd00::1"] {
            assert_eq!(why(&Reach::NotLocal, good), None, "{good}");
        }
        for bad in [
            "127.0.0.1",
            "::1",
            "::ffff:127.0.0.1",
            "169.254.169.254",
            "169.254.1.1",
            "fe80::1",
            "0.0.0.0",
            "ff02::1",
        ] {
            assert!(why(&Reach::NotLocal, bad).is_some(), "{bad}");
        }
        assert_eq!(why(&Reach::Any, "127.0.0.1"), None);
    }

    #[test]
    fn the_kernel_knows_its_own_addresses() {
        assert!(is_own(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        assert!(!is_own(IpAddr::V4(Ipv4Addr::new(1, 1, 1, 1))));
    }
}
