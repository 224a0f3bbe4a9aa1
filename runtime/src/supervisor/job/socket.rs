//! Sockets in an instance's network, opened as root of the session: they carry no power of the host's.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

use super::{given_at, given_first, refused};
use crate::process::user;
use crate::supervisor::protocol::{Refusal, SocketFamily};
use crate::supervisor::worker::{Report, Reporter};

const FLAGS: SockFlag = SockFlag::SOCK_CLOEXEC.union(SockFlag::SOCK_NONBLOCK);

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

/// The network of a process and the power over it that its own root has.
fn enter(init: BorrowedFd<'_>) -> Result<(), Errno> {
    setns(init, CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)?;
    user::become_user(0, 0, Some(&[]))
}

fn hand_over(descriptors: &[OwnedFd], reporter: &Reporter) -> Result<(), Refusal> {
    let borrowed: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
    reporter.send(&Report::Opened, &borrowed).map_err(|error| refused("hand sockets over", &error))
}
