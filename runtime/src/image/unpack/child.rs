//! The process that unpacks: it gives up everything before it reads the first byte of the tar.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, setns};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, chroot, fchdir, setgroups, setresgid, setresuid};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Unpacking;
use crate::archive::{Extraction, Input, Policy};
use crate::sys::clone::exit_now;
use crate::sys::close::close_all_but;

/// Memory of the process at most: a tar may ask for a name of any length.
const MAX_MEMORY_BYTES: u64 = 1 << 30;
/// Read from the pipe or file at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// What the child found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Digest of the whole stream, 64 hexadecimal digits.
    pub(super) digest: String,
    /// Folders that hide what is below them, as paths inside the tree.
    pub(super) opaque: Vec<Vec<u8>>,
}

/// The child's whole life.
pub(super) fn run(folder: &OwnedFd, unpacking: &Unpacking<'_>, report_to: &OwnedFd) -> ! {
    let report = confine(folder, unpacking, report_to.as_fd())
        .map_err(|errno| format!("confine the unpacking process: {errno}"))
        .and_then(|()| unpack(unpacking.tar));
    let written = serde_json::to_vec(&report).map(|text| {
        let to = report_to.try_clone().map(File::from);
        to.and_then(|mut to| to.write_all(&text))
    });
    exit_now(i32::from(!matches!(written, Ok(Ok(())))))
}

/// Leaves the process root of the image range and of nothing else, inside the new tree.
fn confine(folder: &OwnedFd, unpacking: &Unpacking<'_>, report_to: BorrowedFd<'_>) -> nix::Result<()> {
    close_all_but(&[folder.as_fd(), unpacking.tar, unpacking.namespace, report_to])?;
    setrlimit(Resource::RLIMIT_AS, MAX_MEMORY_BYTES, MAX_MEMORY_BYTES)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    fchdir(folder)?;
    setns(unpacking.namespace, CloneFlags::CLONE_NEWUSER)?;
    setgroups(&[])?;
    let (root, group) = (Uid::from_raw(0), Gid::from_raw(0));
    setresgid(group, group, group)?;
    setresuid(root, root, root)?;
    chroot(".")?;
    umask(Mode::empty());
    Ok(())
}

/// A tar on its way through the digest.
struct Counted {
    from: BufReader<Input>,
    digest: Sha256,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.from.read(into)?;
        self.digest.update(into.get(..length).unwrap_or_default());
        Ok(length)
    }
}

fn unpack(tar: BorrowedFd<'_>) -> Result<Report, String> {
    extract(tar).map_err(|error| error.to_string())
}

fn extract(tar: BorrowedFd<'_>) -> io::Result<Report> {
    let from = BufReader::with_capacity(BUFFER_BYTES, Input::from(tar.try_clone_to_owned()?));
    let mut counted = Counted { from, digest: Sha256::new() };
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let root = open("/", flags, Mode::empty())?;
    let extraction = Extraction::new(root.as_fd(), Path::new(""), Policy::Layer);
    let opaque = extraction.run(&mut counted)?;
    Ok(Report { digest: hex(&counted.digest.finalize()), opaque })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
