//! Whose X-Forwarded-For, -Proto and -Host are believed, and the client address that quotas count by.

use std::net::{IpAddr, Ipv6Addr};

use crate::config::ConfigError;

/// Addresses and networks of the operator's own proxies.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<Network>);

#[derive(Debug, Clone, Copy)]
struct Network {
    address: IpAddr,
    prefix: u32,
}

impl TrustedProxies {
    /// From texts such as `10.0.0.1` or `fd00::/8`.
    pub(crate) fn parse(texts: &[String]) -> Result<Self, ConfigError> {
        texts.iter().map(|text| network(text.trim())).collect::<Result<_, _>>().map(Self)
    }

    /// The client behind `peer`: the last address of the chain that is not a trusted proxy itself. Whatever stands
    /// before that one may be invented by the client.
    pub fn client(&self, peer: IpAddr, forwarded_for: &[&str]) -> IpAddr {
        let mut client = peer.to_canonical();
        let chain = forwarded_for.iter().flat_map(|header| header.split(',')).map(str::trim);
        for hop in chain.collect::<Vec<_>>().into_iter().rev() {
            if !self.trusts(client) {
                break;
            }
            match hop.parse::<IpAddr>() {
                Ok(address) => client = address.to_canonical(),
                Err(_) => break,
            }
        }
        client
    }

    /// Whether this is one of them.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}

impl Network {
    fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32 - self.prefix;
                (u64::from(own.to_bits()) >> shift) == (u64::from(other.to_bits()) >> shift)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                self.prefix == 0
                    || (own.to_bits() >> (128 - self.prefix)) == (other.to_bits() >> (128 - self.prefix))
            }
            _ => false,
        }
    }
}

fn network(text: &str) -> Result<Network, ConfigError> {
    let invalid =
        || ConfigError::value("trusted-proxies", text, "must be addresses or networks such as 10.0.0.0/8");
    let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
    let address: IpAddr = address.parse().map_err(|_| invalid())?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.map_or(Ok(longest), |p| p.parse().map_err(|_| invalid()))?;
    if prefix <= longest { Ok(Network { address, prefix }) } else { Err(invalid()) }
}

/// What one client is to quotas: an IPv4 address, or the /64 network of an IPv6 one (one household has all of it).
pub fn quota_key(client: IpAddr) -> String {
    match client {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            format!("{}/64", Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
    }
}

/// Whether a quota key is that of a program on this machine.
pub fn is_loopback(key: &str) -> bool {
    let address = key.split('/').next().unwrap_or_default();
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.is_loopback(),
        // The network of `::1`, which holds nothing but this machine's own addresses.
        Ok(IpAddr::V6(address)) => address.is_unspecified(),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_trusted_proxy_says_counts() {
        let proxies = TrustedProxies::parse(&["10.0.0.0/8".into(), "::1".into()]).unwrap();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(proxies.client(ip("192.0.2.1"), &["198.51.100.7"]), ip("192.0.2.1"));
        assert_eq!(proxies.client(ip("10.1.1.1"), &["203.0.113.9, 198.51.100.7"]), ip("198.51.100.7"));
        assert_eq!(proxies.client(ip("::1"), &["198.51.100.7, 10.2.2.2"]), ip("198.51.100.7"));
        assert_eq!(proxies.client(ip("10.1.1.1"), &["nonsense"]), ip("10.1.1.1"));
        assert_eq!(proxies.client(ip("::ffff:192.0.2.1"), &[]), ip("192.0.2.1"));
    }

    #[test]
    fn a_household_is_one_client() {
        assert!(is_loopback(&quota_key(IpAddr::V6(Ipv6Addr::LOCALHOST))) && is_loopback("127.0.0.1"));
        assert!(!is_loopback("192.0.2.1") && !is_loopback("2001:db8:1:2::/64"));
        assert_eq!(quota_key("2001:db8:1:2:3:4:5:6".parse().unwrap()), "2001:db8:1:2::/64");
    }
}
