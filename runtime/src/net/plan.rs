//! Who has which address in a session's network: the same in every session, since none sees another.
//!
//! ```text
//! switch    10.99.0.1        fd53:616e:646c::1        02:53:4c:00:00:01
//! node1     10.99.0.11       fd53:616e:646c::11       02:53:4c:00:00:11
//! node2     10.99.0.12       fd53:616e:646c::12       02:53:4c:00:00:12   (hexadecimal digits that read as decimal)
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::supervisor::name::InstanceIndex;

/// Bits of the IPv4 network.
pub const PREFIX_V4: u8 = 24;
/// Bits of the IPv6 network (RFC 4193; `fd`, then the letters S, a, n, d, l).
pub const PREFIX_V6: u8 = 64;
/// Largest packets of a session's network, unless the node's way out takes smaller ones.
pub const MTU: u32 = 1500;

/// A hardware address; ours are locally administered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mac(pub [u8; 6]);

/// The addresses of one that takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// IPv4.
    pub v4: Ipv4Addr,
    /// IPv6, unique local.
    pub v6: Ipv6Addr,
    /// IPv6, link local.
    pub link_local: Ipv6Addr,
    /// Hardware.
    pub mac: Mac,
}

/// The switch's: name server, and gateway where there is a way out.
pub const SWITCH: Addresses = at(1, 0x01);

/// An instance's.
pub const fn of(index: InstanceIndex) -> Addresses {
    let number = 11 + index.get();
    at(number, number / 10 * 16 + number % 10)
}

const fn at(v4: u8, last: u8) -> Addresses {
    Addresses {
        v4: Ipv4Addr::new(10, 99, 0, v4),
        v6: Ipv6Addr::new(0xfd53, 0x616e, 0x646c, 0, 0, 0, 0, last as u16),
        // Made of the hardware address (RFC 4291, appendix A).
        link_local: Ipv6Addr::new(0xfe80, 0, 0, 0, 0x53, 0x4cff, 0xfe00, last as u16),
        mac: Mac([0x02, 0x53, 0x4c, 0, 0, last]),
    }
}

impl Addresses {
    /// Both addresses that others use.
    pub fn both(self) -> [IpAddr; 2] {
        [self.v4.into(), self.v6.into()]
    }
}

/// Whether an address is of every session's own network.
pub fn is_own(address: IpAddr) -> bool {
    match (address, SWITCH.v4, SWITCH.v6) {
        (IpAddr::V4(address), own, _) => address.octets()[..3] == own.octets()[..3],
        (IpAddr::V6(address), _, own) => address.segments()[..4] == own.segments()[..4],
    }
}

/// Every index.
pub fn indexes() -> impl Iterator<Item = InstanceIndex> {
    (0..InstanceIndex::COUNT).filter_map(|index| InstanceIndex::try_from(index).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_like_their_number() {
        let last = of(15.try_into().unwrap());
        assert_eq!(
            (last.v4.to_string(), last.v6.to_string()),
            ("10.99.0.26".into(), "fd53:616e:646c::26".into())
        );
        assert_eq!(last.link_local.to_string(), "fe80::53:4cff:fe00:26");
    }
}
