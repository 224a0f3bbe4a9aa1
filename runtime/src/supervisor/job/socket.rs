//! Sockets in the networks of sessions. Those in an instance's are opened as root of the session: they carry no power of
//! the host's. Those on a switch are tied to its bridge, so that they lead to the instances and nowhere else.

use std::ffi::OsString;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6, bind, listen,
    setsockopt, socket, sockopt,
};

use super::{given_at, given_first, refused};
use crate::net::switch::{self, BRIDGE};
use crate::process::user;
use crate::supervisor::protocol::{Refusal, SocketFamily};
use crate::supervisor::worker::{Report, Reporter};

const FLAGS: SockFlag = SockFlag::SOCK_CLOEXEC.union(SockFlag::SOCK_NONBLOCK);
const DNS: u16 = 53;
/// Connections that wait at a name server: one for each instance and more.
const QUEUE: i32 = 64;

/// Opens TCP sockets.
pub(super) fn open(
    init: BorrowedFd<'_>,
    family: SocketFamily,
    count: u8,
    reporter: &Reporter,
) -> Result<(), Refusal> {
    let family = match family {
        SocketFamily::V4 => AddressFamily::Inet,
        SocketFamily::V6 => AddressFamily::Inet6,
    };
    let sockets: Result<Vec<OwnedFd>, Errno> = enter(init)
        .and_then(|()| (0..count).map(|_| socket(family, SockType::Stream, FLAGS, None)).collect());
    hand_over(&sockets.map_err(|errno| Refusal::failed("open sockets", errno))?, reporter)
}

/// Opens a socket that lists listeners.
pub(super) fn watch(given: &[BorrowedFd<'_>], reporter: &Reporter) -> Result<(), Refusal> {
    let (init, cpu) = (given_first(given)?, given_at(given, 1)?);
    let listing = enter(init).and_then(|()| {
        socket(AddressFamily::Netlink, SockType::Datagram, FLAGS, SockProtocol::NetlinkSockDiag)
    });
    let listing = listing.map_err(|errno| Refusal::failed("watch an instance", errno))?;
    let sent = reporter.send(&Report::Opened, &[listing.as_fd(), cpu]);
    sent.map_err(|error| refused("watch an instance", &error))
}

/// Opens the sockets on which a switch answers for names.
pub(super) fn name_server(switch: BorrowedFd<'_>, reporter: &Reporter) -> Result<(), Refusal> {
    let opened = setns(switch, CloneFlags::CLONE_NEWNET).and_then(|()| {
        let (udp, tcp) = (on_bridge(SockType::Datagram)?, on_bridge(SockType::Stream)?);
        listen(&tcp, Backlog::new(QUEUE)?)?;
        Ok(vec![udp, tcp])
    });
    hand_over(&opened.map_err(|errno| Refusal::failed("open a name server", errno))?, reporter)
}

/// A socket at port 53 of the bridge, by IPv4 and, where the kernel has it, IPv6.
fn on_bridge(kind: SockType) -> Result<OwnedFd, Errno> {
    let has_v6 = switch::has_v6();
    let family = if has_v6 { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let socket = socket(family, kind, FLAGS, None)?;
    setsockopt(&socket, sockopt::BindToDevice, &OsString::from(BRIDGE))?;
    if has_v6 {
        setsockopt(&socket, sockopt::Ipv6V6Only, &false)?;
        bind(socket.as_raw_fd(), &SockaddrIn6::from(SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, DNS, 0, 0)))?;
    } else {
        bind(socket.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, DNS)))?;
    }
    Ok(socket)
}

/// The network of a process and the power over it that its own root has.
fn enter(init: BorrowedFd<'_>) -> Result<(), Errno> {
    setns(init, CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)?;
    user::become_user(0, 0, Some(&[]))
}

fn hand_over(descriptors: &[OwnedFd], reporter: &Reporter) -> Result<(), Refusal> {
    let borrowed: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
    reporter.send(&Report::Opened, &borrowed).map_err(|error| refused("hand sockets over", &error))
}
