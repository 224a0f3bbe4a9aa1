//! One end of a SOCK_SEQPACKET connection: whole messages with their descriptors, never waiting.
//!
//! Used by both sides of the protocol, and between the supervisor and its workers. The descriptor is always
//! non-blocking, so it may be given to `poll`, `epoll` or tokio's `AsyncFd`.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, accept4, bind, connect, getsockopt, listen, socket,
    socketpair, sockopt,
};

use super::protocol::{MAX_DESCRIPTORS, MAX_MESSAGE_BYTES};
use crate::sys::packet;

const FLAGS: SockFlag = SockFlag::SOCK_CLOEXEC.union(SockFlag::SOCK_NONBLOCK);

/// A connected socket.
#[derive(Debug)]
pub struct Socket {
    descriptor: OwnedFd,
}

/// One message as it came.
#[derive(Debug)]
pub struct Packet {
    /// At most [`MAX_MESSAGE_BYTES`].
    pub bytes: Vec<u8>,
    /// At most [`MAX_DESCRIPTORS`], close-on-exec.
    pub descriptors: Vec<OwnedFd>,
}

impl Socket {
    /// Takes a connected SOCK_SEQPACKET socket over; it must be non-blocking.
    pub fn from_descriptor(descriptor: OwnedFd) -> Self {
        Self { descriptor }
    }

    /// Two connected ends.
    ///
    /// # Errors
    /// When the kernel refuses the sockets.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, FLAGS)?;
        Ok((Self::from_descriptor(one), Self::from_descriptor(other)))
    }

    /// Connects to the supervisor's socket.
    ///
    /// # Errors
    /// `NotFound` or `ConnectionRefused` when nobody serves it, `WouldBlock` when its queue of connections is full.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let descriptor = socket(AddressFamily::Unix, SockType::SeqPacket, FLAGS, None)?;
        connect(descriptor.as_raw_fd(), &UnixAddr::new(path)?)?;
        Ok(Self::from_descriptor(descriptor))
    }

    /// Takes one waiting connection from a listening socket.
    ///
    /// # Errors
    /// `WouldBlock` when none waits; otherwise what `accept4` gives.
    pub fn accept(listener: BorrowedFd<'_>) -> io::Result<Self> {
        let number = accept4(listener.as_raw_fd(), FLAGS)?;
        Ok(Self::from_descriptor(crate::sys::descriptor::own(number)))
    }

    /// Sends one message whole, or nothing.
    ///
    /// # Errors
    /// `WouldBlock` when the peer's queue is full, `InvalidInput` above the bounds of the protocol, `BrokenPipe` when the
    /// peer is gone.
    pub fn try_send(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        if bytes.is_empty() || bytes.len() > MAX_MESSAGE_BYTES || descriptors.len() > MAX_DESCRIPTORS {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "send a message: outside the protocol's bounds",
            ));
        }
        packet::send(self.as_fd(), bytes, descriptors)
    }

    /// Receives one message.
    ///
    /// # Errors
    /// `WouldBlock` when none waits, `UnexpectedEof` when the peer has closed, `InvalidData` when the message was outside the
    /// bounds: it is thrown away then, its descriptors are closed, and the next one may be received.
    pub fn try_recv(&self) -> io::Result<Packet> {
        try_recv(self.as_fd())
    }

    /// User id of the peer when it connected, told by the kernel.
    ///
    /// # Errors
    /// When the kernel does not know it.
    pub fn peer_uid(&self) -> io::Result<u32> {
        Ok(getsockopt(&self.descriptor, sockopt::PeerCredentials)?.uid())
    }

    /// Process id of the peer when it connected, told by the kernel. It may have ended since.
    ///
    /// # Errors
    /// When the kernel does not know it.
    pub fn peer_pid(&self) -> io::Result<i32> {
        Ok(getsockopt(&self.descriptor, sockopt::PeerCredentials)?.pid())
    }

    /// The descriptor itself.
    pub fn into_descriptor(self) -> OwnedFd {
        self.descriptor
    }
}

/// [`Socket::try_send`] on a borrowed descriptor.
pub(crate) fn try_send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    if bytes.is_empty() || bytes.len() > MAX_MESSAGE_BYTES || descriptors.len() > MAX_DESCRIPTORS {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "send a message: outside the protocol's bounds",
        ));
    }
    packet::send(socket, bytes, descriptors)
}

/// [`Socket::try_recv`] on a borrowed descriptor.
pub(crate) fn try_recv(socket: BorrowedFd<'_>) -> io::Result<Packet> {
    let waiting = packet::next_length(socket)?;
    let mut bytes = vec![0; waiting.min(MAX_MESSAGE_BYTES)];
    let received = packet::receive(socket, &mut bytes)?;
    if received.length == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "receive a message: the peer has closed"));
    }
    let cut = received.bytes_cut || received.descriptors_cut;
    if cut || received.descriptors.len() > MAX_DESCRIPTORS {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "receive a message: outside the protocol's bounds",
        ));
    }
    bytes.truncate(received.length);
    Ok(Packet { bytes, descriptors: received.descriptors })
}

/// Binds a listening socket at `path`, where nothing may stand.
///
/// # Errors
/// `AddrInUse` when something stands there; otherwise what the kernel gives.
pub fn bind_listener(path: &Path) -> io::Result<OwnedFd> {
    let descriptor = socket(AddressFamily::Unix, SockType::SeqPacket, FLAGS, None)?;
    bind(descriptor.as_raw_fd(), &UnixAddr::new(path)?)?;
    listen(&descriptor, Backlog::new(64)?)?;
    Ok(descriptor)
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    fn open_descriptors() -> usize {
        std::fs::read_dir("/proc/self/fd").unwrap().count()
    }

    #[test]
    fn a_message_arrives_whole_with_its_descriptors() {
        let (one, other) = Socket::pair().unwrap();
        let file = tempfile::tempfile().unwrap();
        one.try_send(&vec![7; MAX_MESSAGE_BYTES], &[file.as_fd(), one.as_fd()]).unwrap();
        let packet = other.try_recv().unwrap();
        assert_eq!(packet.bytes, vec![7; MAX_MESSAGE_BYTES]);
        assert_eq!(packet.descriptors.len(), 2);
        assert_eq!(other.try_recv().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(one);
        drop(packet);
        assert_eq!(other.try_recv().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn messages_outside_the_bounds_leave_nothing_behind() {
        let (one, other) = Socket::pair().unwrap();
        let file = tempfile::tempfile().unwrap();
        let many = vec![file.as_fd(); MAX_DESCRIPTORS + 1];
        assert_eq!(one.try_send(b"x", &many).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        packet::send(one.as_fd(), b"x", &many).unwrap();
        packet::send(one.as_fd(), &vec![0; MAX_MESSAGE_BYTES + 1], &[file.as_fd()]).unwrap();
        one.try_send(b"good", &[]).unwrap();
        let before = open_descriptors();
        for _ in 0..2 {
            assert_eq!(other.try_recv().unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
        assert_eq!(other.try_recv().unwrap().bytes, b"good");
        // Other tests of this process open descriptors meanwhile, but not nine.
        assert!(open_descriptors() < before + 9);
    }

    #[test]
    fn the_peer_is_known() {
        let (one, _other) = Socket::pair().unwrap();
        assert_eq!(one.peer_uid().unwrap(), nix::unistd::getuid().as_raw());
        assert_eq!(one.peer_pid().unwrap(), nix::unistd::getpid().as_raw());
    }
}
