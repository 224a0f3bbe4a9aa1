//! Packets with descriptors over SOCK_SEQPACKET sockets. No policy: bounds are the caller's.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::{mem, ptr};

use libc::{c_int, c_void, cmsghdr, iovec, msghdr};

/// Most descriptors that the kernel passes beside one packet (SCM_MAX_FD).
const KERNEL_MOST: usize = 253;
/// Control bytes for [`KERNEL_MOST`] descriptors: a header of 16 bytes, each descriptor 4, rounded up to 8.
const CONTROL_BYTES: usize = 16 + (KERNEL_MOST * 4).next_multiple_of(8);

/// Control data in the alignment that the kernel's headers need.
#[repr(align(8))]
struct Control([u8; CONTROL_BYTES]);

/// What [`receive`] took out of the socket.
#[derive(Debug)]
pub struct Received {
    /// Bytes written to the buffer.
    pub length: usize,
    /// Whether the packet was longer than the buffer; the rest is lost.
    pub bytes_cut: bool,
    /// Whether descriptors were lost: more than the kernel's bound, or this process may not open that many.
    pub descriptors_cut: bool,
    /// Close-on-exec descriptors in the sender's order.
    pub descriptors: Vec<OwnedFd>,
}

/// Length of the packet that stands first in the queue; 0 at the end of the stream (or for an empty packet).
///
/// # Errors
/// What `recv` gives; `WouldBlock` when nothing waits.
pub fn next_length(socket: BorrowedFd<'_>) -> io::Result<usize> {
    let flags = libc::MSG_PEEK | libc::MSG_TRUNC | libc::MSG_DONTWAIT;
    // SAFETY: a length of 0 lets the kernel write nothing, so the null pointer is never followed.
    let length = unsafe { libc::recv(socket.as_raw_fd(), ptr::null_mut(), 0, flags) };
    usize::try_from(length).map_err(|_| io::Error::last_os_error())
}

/// Sends one packet whole, without waiting and without SIGPIPE.
///
/// # Errors
/// What `sendmsg` gives; `WouldBlock` when the queue is full, `InvalidInput` above the kernel's bound of descriptors.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut control = Control([0; CONTROL_BYTES]);
    let length = write_rights(&mut control, descriptors)?;
    let mut part = iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut message = empty_message(&mut part);
    if length > 0 {
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = length;
    }
    // SAFETY: `message` points to `part` and `control`, which live until the call returns; the kernel only reads them.
    let sent = unsafe {
        libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT)
    };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Receives one packet without waiting. Every descriptor that arrived is owned by the result, whatever was cut.
///
/// # Errors
/// What `recvmsg` gives; `WouldBlock` when nothing waits.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Received> {
    let mut control = Control([0; CONTROL_BYTES]);
    let mut part = iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut message = empty_message(&mut part);
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = CONTROL_BYTES;
    let flags = libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT;
    // SAFETY: `message` points to `buffer` and `control` with their true lengths, and both outlive the call.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    let filled = control.0.get(..message.msg_controllen).unwrap_or_default();
    Ok(Received {
        length: length.min(buffer.len()),
        bytes_cut: message.msg_flags & libc::MSG_TRUNC != 0,
        descriptors_cut: message.msg_flags & libc::MSG_CTRUNC != 0,
        descriptors: read_rights(filled),
    })
}

fn empty_message(part: &mut iovec) -> msghdr {
    // SAFETY: `msghdr` is a C structure of integers and pointers, for which all zeroes is a value.
    let mut message: msghdr = unsafe { mem::zeroed() };
    message.msg_iov = part;
    message.msg_iovlen = 1;
    message
}

/// Writes an SCM_RIGHTS message; returns its length, 0 without descriptors.
fn write_rights(control: &mut Control, descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
    if descriptors.is_empty() {
        return Ok(0);
    }
    if descriptors.len() > KERNEL_MOST {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "send a packet: too many descriptors"));
    }
    let end = size_of::<cmsghdr>() + descriptors.len() * size_of::<RawFd>();
    let words: [(usize, &[u8]); 3] = [
        (0, &end.to_ne_bytes()),
        (mem::offset_of!(cmsghdr, cmsg_level), &libc::SOL_SOCKET.to_ne_bytes()),
        (mem::offset_of!(cmsghdr, cmsg_type), &libc::SCM_RIGHTS.to_ne_bytes()),
    ];
    let numbers = descriptors.iter().map(|descriptor| descriptor.as_raw_fd().to_ne_bytes());
    let bodies = numbers.enumerate().map(|(n, number)| (size_of::<cmsghdr>() + n * number.len(), number));
    for (at, word) in words {
        put(control, at, word);
    }
    for (at, number) in bodies {
        put(control, at, &number);
    }
    Ok(end.next_multiple_of(align_of::<cmsghdr>()))
}

fn put(control: &mut Control, at: usize, bytes: &[u8]) {
    if let Some(place) = control.0.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// Takes every descriptor out of control data that the kernel has written.
fn read_rights(mut control: &[u8]) -> Vec<OwnedFd> {
    let mut descriptors = Vec::new();
    while let Some((length, level, kind)) = read_header(control) {
        let body = control.get(size_of::<cmsghdr>()..length).unwrap_or_default();
        if level == libc::SOL_SOCKET && kind == libc::SCM_RIGHTS {
            for number in body.chunks_exact(size_of::<RawFd>()) {
                let number = RawFd::from_ne_bytes([number[0], number[1], number[2], number[3]]);
                // SAFETY: the kernel has just installed `number` for this message, and nothing else knows of it.
                descriptors.push(unsafe { OwnedFd::from_raw_fd(number) });
            }
        }
        let next = length.next_multiple_of(align_of::<cmsghdr>());
        control = control.get(next..).unwrap_or_default();
    }
    descriptors
}

/// Length, level and type of the first control message; `None` when none is left.
fn read_header(control: &[u8]) -> Option<(usize, c_int, c_int)> {
    let word = |at: usize| control.get(at..at + 4)?.try_into().ok().map(c_int::from_ne_bytes);
    let length = usize::from_ne_bytes(control.get(..8)?.try_into().ok()?);
    let level = word(mem::offset_of!(cmsghdr, cmsg_level))?;
    let kind = word(mem::offset_of!(cmsghdr, cmsg_type))?;
    (length >= size_of::<cmsghdr>()).then_some((length, level, kind))
}

const _: () = assert!(size_of::<*mut c_void>() == 8, "the control layout is that of 64-bit kernels");
