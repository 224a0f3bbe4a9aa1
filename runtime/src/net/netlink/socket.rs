//! A netlink socket of the network namespace that it was opened in.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;

use super::Message;
use crate::failure::{Failure, during};
use crate::sys::netlink as kernel;

/// The kernel answers while it handles a request; whatever takes this long never comes.
const PATIENCE_SECONDS: i64 = 20;
/// Largest answer that is read in one piece, as the kernel's own.
const MOST_BYTES: usize = 32 * 1024;
/// Header of an answer, and `NLMSG_ERROR` with its number behind it.
const HEADER: usize = 16;

/// See the module.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: OwnedFd,
}

impl Netlink {
    /// Links, addresses and routes (rtnetlink(7)).
    pub(crate) fn route() -> Result<Self, Errno> {
        Self::open(SockProtocol::NetlinkRoute)
    }

    /// Netfilter.
    pub(crate) fn netfilter() -> Result<Self, Errno> {
        Self::open(SockProtocol::NetlinkNetFilter)
    }

    /// The socket itself, for what lives as long as it does.
    pub(crate) fn into_socket(self) -> OwnedFd {
        self.socket
    }

    fn open(protocol: SockProtocol) -> Result<Self, Errno> {
        let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(PATIENCE_SECONDS, 0))?;
        Ok(Self { socket })
    }

    /// Sends requests that the kernel carries out in their order, each for itself.
    ///
    /// # Errors
    /// The first refusal, under the name that stands beside the request.
    pub(crate) fn carry_out(&self, requests: Vec<(String, Message)>) -> Result<(), Failure> {
        let mut names = Vec::with_capacity(requests.len());
        let mut bytes = Vec::new();
        for (name, message) in requests {
            bytes.extend(message.acknowledged().finish(number(names.len())));
            names.push(name);
        }
        self.send(&bytes).map_err(during("send to the kernel's network"))?;
        let answers = (0..names.len()).map(|_| self.answer()).collect::<Result<Vec<_>, _>>();
        let answers = answers.map_err(during("hear the kernel's network"))?;
        let refused = answers.into_iter().flatten().find(|(_, errno)| *errno != Errno::from_raw(0));
        match refused {
            Some((sequence, errno)) => {
                Err(during(names.get(sequence as usize).cloned().unwrap_or_default())(errno))
            }
            None => Ok(()),
        }
    }

    /// Sends messages that the kernel carries out all or none, `name` being what they do together.
    pub(crate) fn carry_out_together(&self, name: &str, messages: Vec<Message>) -> Result<(), Failure> {
        let last = messages.len().saturating_sub(2);
        let numbered = messages.into_iter().enumerate();
        let bytes: Vec<u8> = numbered
            .flat_map(|(place, message)| {
                // The message behind it ends the batch.
                let message = if place == last { message.acknowledged() } else { message };
                message.finish(number(place))
            })
            .collect();
        self.send(&bytes).map_err(during(name))?;
        loop {
            for (sequence, errno) in self.answer().map_err(during(name))? {
                if errno != Errno::from_raw(0) {
                    return Err(during(format!("{name}: message {sequence}"))(errno));
                }
                if sequence == number(last) {
                    return Ok(());
                }
            }
        }
    }

    /// Sends one request and returns the bodies of what the kernel tells.
    pub(crate) fn dump(&self, message: Message) -> Result<Vec<Vec<u8>>, Errno> {
        self.send(&message.finish(0))?;
        let mut bodies = Vec::new();
        loop {
            let bytes = self.receive()?;
            for (kind, _, body) in messages(&bytes) {
                match i32::from(kind) {
                    kernel::NLMSG_DONE => return Ok(bodies),
                    kernel::NLMSG_ERROR => return Err(errno(body)),
                    _ => bodies.push(body.to_vec()),
                }
            }
        }
    }

    fn send(&self, bytes: &[u8]) -> Result<(), Errno> {
        match send(self.socket.as_raw_fd(), bytes, MsgFlags::empty())? {
            sent if sent == bytes.len() => Ok(()),
            _ => Err(Errno::EMSGSIZE),
        }
    }

    fn answer(&self) -> Result<Vec<(u32, Errno)>, Errno> {
        let bytes = self.receive()?;
        let answers = messages(&bytes).filter(|(kind, ..)| i32::from(*kind) == kernel::NLMSG_ERROR);
        Ok(answers.map(|(_, sequence, body)| (sequence, errno(body))).collect())
    }

    fn receive(&self) -> Result<Vec<u8>, Errno> {
        let mut bytes = vec![0; MOST_BYTES];
        let length = recv(self.socket.as_raw_fd(), &mut bytes, MsgFlags::empty())?;
        bytes.truncate(length);
        Ok(bytes)
    }
}

fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

/// Kind, number and body of each message.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = (u16, u32, &[u8])> {
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
        let sequence = u32::from_ne_bytes(bytes.get(8..12)?.try_into().ok()?);
        let body = bytes.get(HEADER..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, sequence, body))
    })
}

/// What `NLMSG_ERROR` tells: 0 is an acknowledgement.
fn errno(body: &[u8]) -> Errno {
    let raw = body.get(..4).and_then(|raw| raw.try_into().ok()).map(i32::from_ne_bytes);
    Errno::from_raw(raw.map_or(Errno::EPROTO as i32, i32::wrapping_neg))
}
