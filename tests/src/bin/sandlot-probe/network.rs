//! The network of the host and of others.

use std::fs;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixStream};
use std::time::Duration;

use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};

use crate::outcome::{Outcome, argument};

/// Connects to a TCP address.
pub(crate) fn connect(arguments: &[String]) -> Outcome {
    match argument::<SocketAddr>(arguments, 0) {
        Ok(address) => Outcome::of("connect", TcpStream::connect_timeout(&address, Duration::from_secs(1))),
        Err(outcome) => outcome,
    }
}

/// Connects to a Unix socket that has a name instead of a path.
pub(crate) fn connect_abstract(arguments: &[String]) -> Outcome {
    let name: String = match argument(arguments, 0) {
        Ok(name) => name,
        Err(outcome) => return outcome,
    };
    let address = UnixAddress::from_abstract_name(name);
    Outcome::of("connect", address.and_then(|address| UnixStream::connect_addr(&address)))
}

/// Looks for a network link that is not the own loopback one.
pub(crate) fn see_link(_: &[String]) -> Outcome {
    let table = match fs::read_to_string("/proc/self/net/dev") {
        Ok(table) => table,
        Err(error) => return Outcome::unprepared("read the links", error),
    };
    let names: Vec<&str> =
        table.lines().skip(2).filter_map(|line| line.split(':').next()).map(str::trim).collect();
    match names.iter().find(|name| **name != "lo") {
        Some(name) => Outcome::Succeeded(format!("link {name}")),
        None => Outcome::Refused(format!("only {names:?}")),
    }
}

/// Looks for a Unix socket by its path or name.
pub(crate) fn see_socket(arguments: &[String]) -> Outcome {
    let text: String = match argument(arguments, 0) {
        Ok(text) => text,
        Err(outcome) => return outcome,
    };
    match fs::read_to_string("/proc/self/net/unix") {
        Ok(table) if table.contains(&text) => Outcome::Succeeded(format!("socket {text}")),
        Ok(table) => {
            Outcome::Refused(format!("not among {} sockets", table.lines().count().saturating_sub(1)))
        }
        Err(error) => Outcome::unprepared("read the sockets", error),
    }
}

/// Sends an echo request to the own loopback address as an ordinary user may, and waits for the answer.
pub(crate) fn ping(_: &[String]) -> Outcome {
    const ECHO_REQUEST: [u8; 8] = [8, 0, 0, 0, 0, 0, 0, 1];
    let flags = SockFlag::SOCK_CLOEXEC;
    let opened = socket(AddressFamily::Inet, SockType::Datagram, flags, SockProtocol::Icmp);
    let socket = match opened {
        // It is used as any datagram socket is.
        Ok(socket) => UdpSocket::from(socket),
        Err(errno) => return Outcome::Refused(format!("open a socket: {errno}")),
    };
    let answered = socket
        .set_read_timeout(Some(Duration::from_secs(2)))
        .and_then(|()| socket.send_to(&ECHO_REQUEST, "127.0.0.1:0"))
        .and_then(|_| socket.recv(&mut [0; 64]));
    Outcome::of("ping", answered)
}
