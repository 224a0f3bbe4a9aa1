//! `/dev` of a container: the harmless devices of the host, bound one by one, and the usual links.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag};
use nix::sys::stat::Mode;
use nix::unistd::symlinkat;

use super::path;
use crate::failure::{Failure, during};
use crate::sys::mount::{attach, open_tree};

/// Name inside and the host's node. A bound node cannot be changed from inside: its owner is nobody there.
const NODES: [(&str, &std::ffi::CStr); 6] = [
    ("null", c"/dev/null"),
    ("zero", c"/dev/zero"),
    ("full", c"/dev/full"),
    ("random", c"/dev/random"),
    ("urandom", c"/dev/urandom"),
    ("tty", c"/dev/tty"),
];

const LINKS: [(&str, &str); 6] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
    ("ptmx", "pts/ptmx"),
];

/// Fills `/dev`, which must be a fresh tmpfs.
///
/// # Errors
/// With the device and what the kernel said.
pub fn make(root: BorrowedFd<'_>) -> Result<(), Failure> {
    let folder = path::open_path(root, Path::new("/dev")).map_err(during("open `/dev`"))?;
    for (name, node) in NODES {
        bind(folder.as_fd(), name, node).map_err(during(format!("bind `/dev/{name}`")))?;
    }
    for (name, target) in LINKS {
        symlinkat(target, folder.as_fd(), name).map_err(during(format!("link `/dev/{name}`")))?;
    }
    Ok(())
}

fn bind(folder: BorrowedFd<'_>, name: &str, node: &std::ffi::CStr) -> Result<(), Errno> {
    let device = open_tree(AT_FDCWD, node)?;
    let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let target = nix::fcntl::openat(folder, name, flags, Mode::from_bits_truncate(0o666))?;
    attach(device.as_fd(), target.as_fd())
}
