//! Frames as they stand on the wire, sent and heard by packet sockets (packet(7)).

use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, bind, recv, send, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;

use crate::outcome::{Outcome, argument};

/// How long nothing of what is waited for may come.
const PATIENCE: Duration = Duration::from_secs(20);
const LARGEST: usize = 65_536;

/// Sends frames in their order.
pub(crate) fn send_all(arguments: &[String]) -> Outcome {
    let socket = match argument::<String>(arguments, 0).and_then(|link| on_link(&link)) {
        Ok(socket) => socket,
        Err(outcome) => return outcome,
    };
    for text in arguments.iter().skip(1) {
        let Some(bytes) = from_hex(text) else { return Outcome::NotTried(format!("no frame: {text}")) };
        if let Err(errno) = send(socket.as_raw_fd(), &bytes, MsgFlags::empty()) {
            return Outcome::unprepared("send", errno);
        }
    }
    Outcome::Succeeded(format!("sent {}", arguments.len().saturating_sub(1)))
}

/// Waits for a frame with the first bytes in it; one with the second bytes comes at the end.
pub(crate) fn hear(arguments: &[String]) -> Outcome {
    let bytes = |index| argument::<String>(arguments, index).map(|text| from_hex(&text).unwrap_or_default());
    match (argument::<String>(arguments, 0).and_then(|link| on_link(&link)), bytes(1), bytes(2)) {
        (Ok(socket), Ok(wanted), Ok(last)) => listen(&socket, &wanted, &last),
        (Err(outcome), ..) | (_, Err(outcome), _) | (_, _, Err(outcome)) => outcome,
    }
}

fn listen(socket: &OwnedFd, wanted: &[u8], last: &[u8]) -> Outcome {
    println!("listening");
    let end = Instant::now() + PATIENCE;
    let mut buffer = vec![0; LARGEST];
    while Instant::now() < end {
        let heard = match recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            Err(Errno::EAGAIN | Errno::EINTR) => continue,
            Err(errno) => return Outcome::unprepared("receive", errno),
            Ok(length) => buffer.get(..length).unwrap_or_default(),
        };
        if contains(heard, wanted) {
            return Outcome::Succeeded("the frame was heard".to_owned());
        }
        if contains(heard, last) {
            return Outcome::Refused("only the last frame was heard".to_owned());
        }
    }
    Outcome::NotTried("not even the last frame was heard".to_owned())
}

/// A socket for all frames of a link.
fn on_link(link: &str) -> Result<OwnedFd, Outcome> {
    open(link).map_err(|errno| Outcome::unprepared("open a packet socket", errno))
}

fn open(link: &str) -> Result<OwnedFd, Errno> {
    // The address of a link's hardware names the link, too.
    let place = getifaddrs()?
        .filter(|one| one.interface_name == link)
        .find_map(|one| one.address.and_then(|address| address.as_link_addr().copied()));
    let kind = SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Packet, SockType::Raw, kind, SockProtocol::EthAll)?;
    bind(socket.as_raw_fd(), &place.ok_or(Errno::ENODEV)?)?;
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(1, 0))?;
    Ok(socket)
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && bytes.windows(part.len()).any(|window| window == part)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
