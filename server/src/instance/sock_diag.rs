//! sock_diag(7) by hand: one question, which TCP ports listen in a network namespace, and its answer.
//!
//! ```text
//! request   nlmsghdr(16) inet_diag_req_v2(56): family, protocol, states
//! answer    { nlmsghdr(16) inet_diag_msg(72) attributes }... nlmsghdr(DONE)
//! ```

use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};

use super::listening::Listening;

const HEADER: usize = 16;
const MESSAGE: usize = 72;
const BY_FAMILY: u16 = 20;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const REQUEST_DUMP: u16 = 0x301;
const PROTOCOL_TCP: u8 = 6;
const STATES_LISTEN: u32 = 1 << 10;
const FAMILY_V4: u8 = 2;
const FAMILY_V6: u8 = 10;
const ATTRIBUTE_V6_ONLY: u16 = 11;
/// Sockets that one instance's answer may hold; an instance with more shows the first of them.
const MOST: usize = 4096;

/// A listening socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Socket {
    port: u16,
    v4: bool,
    v6: bool,
}

/// Whether an answer is at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    More,
    Done,
}

/// The ports that listen in the network of this socket, in their order. The kernel answers at once, so nothing is waited
/// for; after a failure the socket may hold parts of an old answer and is of no more use.
///
/// # Errors
/// When the kernel refuses, or its answer is none.
pub(super) fn listening(socket: &impl AsFd, buffer: &mut [u8]) -> Result<Vec<Listening>, Errno> {
    let mut found = Vec::new();
    for family in [FAMILY_V4, FAMILY_V6] {
        dump(socket, family, buffer, &mut found)?;
    }
    Ok(merge(found))
}

fn dump(socket: &impl AsFd, family: u8, buffer: &mut [u8], found: &mut Vec<Socket>) -> Result<(), Errno> {
    let fd = socket.as_fd().as_raw_fd();
    send(fd, &request(family), MsgFlags::MSG_DONTWAIT)?;
    loop {
        let count = recv(fd, buffer, MsgFlags::MSG_DONTWAIT)?;
        let progress = parse(buffer.get(..count).unwrap_or_default(), family, found)?;
        if progress == Progress::Done {
            return Ok(());
        }
        if found.len() > MOST {
            return Err(Errno::E2BIG);
        }
    }
}

fn request(family: u8) -> [u8; HEADER + 56] {
    let mut bytes = [0; HEADER + 56];
    let mut put = |at: usize, part: &[u8]| {
        if let Some(place) = bytes.get_mut(at..at + part.len()) {
            place.copy_from_slice(part);
        }
    };
    put(0, &72_u32.to_ne_bytes());
    put(4, &BY_FAMILY.to_ne_bytes());
    put(6, &REQUEST_DUMP.to_ne_bytes());
    put(8, &u32::from(family).to_ne_bytes());
    put(HEADER, &[family, PROTOCOL_TCP, 0, 0]);
    put(HEADER + 4, &STATES_LISTEN.to_ne_bytes());
    bytes
}

/// Reads the messages of one datagram; those of another question are passed over.
fn parse(mut bytes: &[u8], family: u8, found: &mut Vec<Socket>) -> Result<Progress, Errno> {
    while !bytes.is_empty() {
        let length = usize::try_from(u32_at(bytes, 0).ok_or(Errno::EBADMSG)?).unwrap_or(usize::MAX);
        let message = bytes.get(..length).filter(|_| length >= HEADER).ok_or(Errno::EBADMSG)?;
        let own = u32_at(message, 8) == Some(u32::from(family));
        match u16_at(message, 4) {
            Some(DONE) if own => return Ok(Progress::Done),
            Some(ERROR) if own => return Err(Errno::EIO),
            Some(BY_FAMILY) if own => found.extend(socket(message.get(HEADER..).unwrap_or_default())),
            _ => {}
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(Progress::More)
}

fn socket(message: &[u8]) -> Option<Socket> {
    let port = u16::from_be_bytes(message.get(4..6)?.try_into().ok()?);
    let address: [u8; 16] = message.get(8..24)?.try_into().ok()?;
    let attributes = message.get(MESSAGE..)?;
    if message.first() == Some(&FAMILY_V4) {
        let [a, b, c, d, ..] = address;
        let address = Ipv4Addr::new(a, b, c, d);
        return Some(Socket { port, v4: address.is_unspecified() || address.is_loopback(), v6: false });
    }
    let address = Ipv6Addr::from(address);
    let mapped = address.to_ipv4_mapped().is_some_and(|v4| v4.is_unspecified() || v4.is_loopback());
    let both = address.is_unspecified() && !is_v6_only(attributes);
    let v6 = address.is_unspecified() || address.is_loopback();
    Some(Socket { port, v4: mapped || both, v6 })
}

fn is_v6_only(mut attributes: &[u8]) -> bool {
    while let (Some(length), Some(kind)) = (u16_at(attributes, 0), u16_at(attributes, 2)) {
        let length = usize::from(length);
        if kind == ATTRIBUTE_V6_ONLY {
            return attributes.get(4).is_some_and(|value| *value != 0);
        }
        if length < 4 {
            return false;
        }
        attributes = attributes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    false
}

/// One entry for each port, in their order.
fn merge(mut found: Vec<Socket>) -> Vec<Listening> {
    found.sort_unstable_by_key(|socket| socket.port);
    let mut ports: Vec<Listening> = Vec::new();
    for Socket { port, v4, v6 } in found {
        match ports.last_mut().filter(|last| last.port == port) {
            Some(last) => (last.v4, last.v6) = (last.v4 || v4, last.v6 || v6),
            None => ports.push(Listening { port, v4, v6 }),
        }
    }
    ports
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
    use proptest::prelude::*;
    use std::net::TcpListener;

    #[test]
    fn the_kernel_tells_what_listens_here() {
        let diag = socket(
            AddressFamily::Netlink,
            SockType::Datagram,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkSockDiag,
        )
        .unwrap();
        let v4 = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = v4.local_addr().unwrap().port();
        let other = TcpListener::bind("0.0.0.0:0").unwrap();
        let mut buffer = vec![0; 32 * 1024];
        for _ in 0..2 {
            let found = listening(&diag, &mut buffer).unwrap();
            assert!(found.contains(&Listening { port, v4: true, v6: false }), "{found:?}");
            assert!(found.iter().any(|one| one.port == other.local_addr().unwrap().port() && one.v4));
            assert!(found.is_sorted_by_key(|one| one.port));
        }
        drop(v4);
        assert!(listening(&diag, &mut buffer).unwrap().iter().all(|one| one.port != port));
    }

    fn answer(family: u8, address: [u8; 16], attributes: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER + MESSAGE];
        bytes[16] = family;
        bytes[20..22].copy_from_slice(&8080_u16.to_be_bytes());
        bytes[24..40].copy_from_slice(&address);
        bytes.extend_from_slice(attributes);
        let length = u32::try_from(bytes.len()).unwrap();
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
        bytes[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
        bytes[8..12].copy_from_slice(&u32::from(family).to_ne_bytes());
        bytes
    }

    #[test]
    fn addresses_say_which_family_reaches_a_port() {
        let reach = |family, address: [u8; 16], attributes: &[u8]| {
            let mut found = Vec::new();
            parse(&answer(family, address, attributes), family, &mut found).unwrap();
            found.first().map(|socket| (socket.port, socket.v4, socket.v6))
        };
        let v6 = |text: &str| text.parse::<Ipv6Addr>().unwrap().octets();
        let only = [5_u16.to_ne_bytes(), ATTRIBUTE_V6_ONLY.to_ne_bytes(), [1, 0], [0, 0]].concat();
        let v4 = |first: u8| [first, 0, 0, u8::from(first != 0), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(reach(FAMILY_V4, v4(0), &[]), Some((8080, true, false)));
        assert_eq!(reach(FAMILY_V4, v4(127), &[]), Some((8080, true, false)));
        assert_eq!(reach(FAMILY_V4, v4(10), &[]), Some((8080, false, false)));
        assert_eq!(reach(FAMILY_V6, v6("::"), &[]), Some((8080, true, true)));
        assert_eq!(reach(FAMILY_V6, v6("::"), &only), Some((8080, false, true)));
        assert_eq!(reach(FAMILY_V6, v6("::1"), &[]), Some((8080, false, true)));
        assert_eq!(reach(FAMILY_V6, v6("::ffff:127.0.0.1"), &[]), Some((8080, true, false)));
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_parser(bytes in proptest::collection::vec(any::<u8>(), 0..512), cut in 0..200_usize) {
            let mut found = Vec::new();
            // Whatever it says of them, it comes to an end.
            parse(&bytes, FAMILY_V4, &mut found).ok();
            let mut whole = answer(FAMILY_V6, [0; 16], &bytes);
            parse(&whole, FAMILY_V6, &mut found).ok();
            whole.truncate(cut);
            parse(&whole, FAMILY_V6, &mut found).ok();
            merge(found);
        }
    }
}
