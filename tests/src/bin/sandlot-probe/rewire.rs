//! Links of a network namespace that has only a number here (`IFLA_TARGET_NETNSID`, rtnetlink(7)): the other end of one's own.

use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;
use sandlot_runtime::sys::netlink as kernel;

use crate::outcome::{Outcome, argument};

/// What is asked of the kernel.
const NEW_LINK: u16 = kernel::RTM_NEWLINK;
const DELETE_LINK: u16 = kernel::RTM_DELLINK;
const SET_LINK: u16 = kernel::RTM_SETLINK;
/// include/uapi/linux/if_link.h.
const LOWER_LINK: u16 = 5;
const LOWER_NAMESPACE: u16 = 37;
const TARGET_NAMESPACE: u16 = 46;
const HEADER: usize = 16;

/// Deletes a link of the namespace, makes one there, moves one's own there, or makes one here upon one that is there,
/// which is named by its number.
pub(crate) fn other_end(arguments: &[String]) -> Outcome {
    let word = |index| argument::<String>(arguments, index);
    match (word(0), argument::<i32>(arguments, 1), word(2)) {
        (Ok(what), Ok(namespace), Ok(link)) => match message(&what, namespace, &link) {
            Some(message) => Outcome::of(&what, ask(&message)),
            None => Outcome::NotTried(format!("what is `{what}`?")),
        },
        (Err(outcome), ..) | (_, Err(outcome), _) | (_, _, Err(outcome)) => outcome,
    }
}

fn message(what: &str, namespace: i32, link: &str) -> Option<Vec<u8>> {
    let by_name = [attribute(TARGET_NAMESPACE, &namespace.to_ne_bytes()), name(link)].concat();
    let create = kernel::NLM_F_CREATE | kernel::NLM_F_EXCL;
    Some(match what {
        "delete" => request(DELETE_LINK, 0, &by_name),
        "make" => request(NEW_LINK, create, &[by_name, kind("bridge")].concat()),
        "move" => request(SET_LINK, 0, &by_name),
        "stack" => {
            let lower = attribute(LOWER_LINK, &link.parse::<u32>().ok()?.to_ne_bytes());
            let place = attribute(LOWER_NAMESPACE, &namespace.to_ne_bytes());
            request(NEW_LINK, create, &[lower, place, name("mine"), kind("macvlan")].concat())
        }
        _ => return None,
    })
}

/// A message about the link that the attributes name.
fn request(kind: u16, flags: i32, attributes: &[u8]) -> Vec<u8> {
    let flags = u16::try_from(flags | kernel::NLM_F_REQUEST | kernel::NLM_F_ACK).unwrap_or_default();
    // `struct ifinfomsg`, which changes no flag.
    let about = [0; 16];
    let length = u32::try_from(HEADER + about.len() + attributes.len()).unwrap_or_default();
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(about);
    message.extend(attributes);
    message
}

fn name(link: &str) -> Vec<u8> {
    attribute(kernel::IFLA_IFNAME, &[link.as_bytes(), &[0]].concat())
}

fn kind(kind: &str) -> Vec<u8> {
    attribute(kernel::IFLA_LINKINFO, &attribute(kernel::IFLA_INFO_KIND, kind.as_bytes()))
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(4 + value.len()).unwrap_or_default().to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn ask(message: &[u8]) -> Result<(), Errno> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(10, 0))?;
    send(socket.as_raw_fd(), message, MsgFlags::empty())?;
    let mut answer = [0; 4096];
    recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    let code = answer.get(HEADER..HEADER + 4).and_then(|raw| raw.try_into().ok()).map(i32::from_ne_bytes);
    match code {
        Some(0) => Ok(()),
        Some(code) => Err(Errno::from_raw(code.wrapping_neg())),
        None => Err(Errno::EPROTO),
    }
}
