//! Parts of the address space by what they are for (IANA's registries of special-purpose addresses).

use std::net::IpAddr;

use crate::supervisor::protocol::{Destination, Egress, Reach};

/// A network: its first address and its prefix in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range(pub(crate) IpAddr, pub(crate) u8);

/// Refused whoever asks: this host, link-local and metadata services, multicast and reserved, benchmarks.
const REFUSED: &[&str] = &[
    "0.0.0.0/8",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "192.0.0.0/24",
    "198.18.0.0/15",
    "224.0.0.0/3",
    // Loopback, unspecified, and IPv4 in IPv6 in all its forms (RFC 4291, 6052, 8215, 4380, 3056).
    "::/8",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/32",
    "2002::/16",
    "fd00:ec2::254/128",
    "fe80::/9",
    "ff00::/8",
];

/// Refused unless they are allowed by name: private networks (RFC 1918, 6598, 4193).
const PRIVATE: &[&str] = &["10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

/// What nobody reaches.
pub(crate) fn refused() -> impl Iterator<Item = Range> {
    parsed(REFUSED)
}

/// What is reached only by name.
pub(crate) fn private() -> impl Iterator<Item = Range> {
    parsed(PRIVATE)
}

/// Whether a network is a private one, which nobody reaches unless it is allowed by name.
pub fn is_private(address: IpAddr, prefix: u8) -> bool {
    let range = Range(address, prefix);
    private().any(|private| range.is_within(private))
}

/// Whether a session with this way out may reach an address at all, whatever ports are allowed.
pub fn reaches(egress: &Egress, address: IpAddr) -> bool {
    let one = Range(address, if address.is_ipv4() { 32 } else { 128 });
    let is_allowed = |reach: &Reach| match reach.to {
        Destination::Network(network, prefix) => {
            is_private(network, prefix) && one.is_within(Range(network, prefix))
        }
        Destination::Group(_) => false,
    };
    let is_open = !is_private(one.0, one.1) || egress.allow.iter().any(is_allowed);
    is_open && !refused().any(|refused| one.is_within(refused))
}

fn parsed(texts: &'static [&'static str]) -> impl Iterator<Item = Range> {
    texts.iter().filter_map(|text| {
        let (address, prefix) = text.split_once('/')?;
        Some(Range(address.parse().ok()?, prefix.parse().ok()?))
    })
}

impl Range {
    /// Its first and its last address.
    pub(crate) fn ends(self) -> (IpAddr, IpAddr) {
        match self.0 {
            IpAddr::V4(address) => {
                let host = u32::MAX.checked_shr(self.1.into()).unwrap_or(0);
                let bits = address.to_bits();
                (IpAddr::V4((bits & !host).into()), IpAddr::V4((bits | host).into()))
            }
            IpAddr::V6(address) => {
                let host = u128::MAX.checked_shr(self.1.into()).unwrap_or(0);
                let bits = address.to_bits();
                (IpAddr::V6((bits & !host).into()), IpAddr::V6((bits | host).into()))
            }
        }
    }

    /// Whether it is a network: a prefix that its address can have.
    pub(crate) fn is_valid(self) -> bool {
        self.1 <= if self.0.is_ipv4() { 32 } else { 128 }
    }

    /// Whether all of it is in the other.
    pub(crate) fn is_within(self, other: Self) -> bool {
        let ((first, last), (low, high)) = (self.ends(), other.ends());
        self.0.is_ipv4() == other.0.is_ipv4() && low <= first && last <= high
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_parses_and_knows_its_ends() {
        assert_eq!(refused().count(), REFUSED.len());
        assert_eq!(private().count(), PRIVATE.len());
        let range = Range("10.1.2.3".parse().unwrap(), 8);
        assert_eq!(range.ends(), ("10.0.0.0".parse().unwrap(), "10.255.255.255".parse().unwrap()));
        let all = Range("::".parse().unwrap(), 0);
        assert_eq!(all.ends().1, IpAddr::V6(u128::MAX.into()));
    }
}
