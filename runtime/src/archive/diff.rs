//! What an instance has changed, as a layer (OCI image spec, "Layers").
//!
//! The changed files are overlay's upper folder. The child reads it as root of the session, so that owners and
//! capabilities come out as they are inside. Whether a folder is opaque is in an attribute that only the host's root may
//! read: the child sends the folder, the worker answers with one byte.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::stat::Mode;
use nix::unistd::{chroot, fchdir};

use super::child::{self, Kept};
use super::error::Error;
use super::made::Made;
use super::stream::Output;
use super::walk::{Layer, Walk};
use crate::sys::{packet, xattr};

/// What to compare.
#[derive(Debug, Clone, Copy)]
pub struct Diffing<'a> {
    /// Overlay's upper folder, in a mount of the host.
    pub upper: BorrowedFd<'a>,
    /// The session's user namespace.
    pub userns: BorrowedFd<'a>,
    /// Where the tar goes.
    pub out: BorrowedFd<'a>,
    /// What the instance's start made.
    pub made: &'a Made,
    /// Later times become this one, in seconds since 1970.
    pub clamp: Option<i64>,
}

/// Writes the layer. To be called by a single-threaded worker, as root.
///
/// # Errors
/// When a file cannot be in a layer, or the system refuses.
pub fn diff(diffing: &Diffing<'_>) -> Result<(), Error> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let (ask, answer) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)
        .map_err(Error::system("make a socket pair"))?;
    let Diffing { upper, userns, out, .. } = *diffing;
    let work = |kept: Kept<'_>| {
        let root = confine(kept, upper, userns).map_err(Error::system("enter the files"))?;
        write(root, diffing, &ask).map_err(|error| Error::io("compare the files", &error))
    };
    let attend = |process: BorrowedFd<'_>| answer_until_end(answer.as_fd(), process);
    child::run(&[upper, userns, out, ask.as_fd()], None, work, attend)
}

fn confine(kept: Kept<'_>, upper: BorrowedFd<'_>, userns: BorrowedFd<'_>) -> nix::Result<OwnedFd> {
    kept.only()?;
    fchdir(upper)?;
    setns(userns, CloneFlags::CLONE_NEWUSER)?;
    kept.become_root()?;
    chroot(".")?;
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    openat(upper, ".", flags, Mode::empty())
}

fn write(root: OwnedFd, diffing: &Diffing<'_>, ask: &OwnedFd) -> io::Result<()> {
    let out = Output::from(diffing.out.try_clone_to_owned()?);
    let is_opaque = |folder: BorrowedFd<'_>| ask_whether_opaque(ask.as_fd(), folder);
    let layer = Layer { made: diffing.made, is_opaque: &is_opaque, clamp: diffing.clamp };
    let mut walk = Walk::new(out, Some(layer));
    walk.below(root)?;
    walk.end()
}

fn ask_whether_opaque(ask: BorrowedFd<'_>, folder: BorrowedFd<'_>) -> io::Result<bool> {
    packet::send(ask, b"?", &[folder])?;
    wait(&mut [PollFd::new(ask, PollFlags::POLLIN)])?;
    let mut answer = [0; 1];
    packet::receive(ask, &mut answer)?;
    Ok(answer == *b"y")
}

/// Answers as long as the child lives. It never has more than one question.
fn answer_until_end(answer: BorrowedFd<'_>, process: BorrowedFd<'_>) {
    loop {
        let mut ready = [PollFd::new(answer, PollFlags::POLLIN), PollFd::new(process, PollFlags::POLLIN)];
        if wait(&mut ready).is_err() {
            return;
        }
        let is_asked = ready.first().is_some_and(|asked| asked.any() == Some(true));
        // A child that asks nonsense gets no answer, and is killed when the worker's time is over.
        if !is_asked || answer_one(answer).is_err() {
            return;
        }
    }
}

fn answer_one(answer: BorrowedFd<'_>) -> io::Result<()> {
    let question = packet::receive(answer, &mut [0; 1])?;
    let folder = question.descriptors.first().ok_or(io::ErrorKind::InvalidData)?;
    let mut value = [0; 1];
    let is_opaque = match xattr::get(folder.as_fd(), c"trusted.overlay.opaque", &mut value) {
        Ok(_) => value == *b"y",
        Err(Errno::ENODATA | Errno::EOPNOTSUPP | Errno::ERANGE) => false,
        Err(errno) => return Err(errno.into()),
    };
    packet::send(answer, if is_opaque { b"y" } else { b"n" }, &[])
}

fn wait(ready: &mut [PollFd<'_>]) -> io::Result<()> {
    loop {
        match poll(ready, PollTimeout::NONE) {
            Err(Errno::EINTR) => {}
            other => return Ok(other.map(drop)?),
        }
    }
}
