//! Unpacking a layer that nobody vouches for into a tree that overlay takes as a lower layer.
//!
//! ```text
//! worker (root)                                     its child
//! makes <layers>/.unpack-<pid> -------------------> joins the user namespace of the image range, becomes its root,
//!                                                   enters the folder by chroot, unpacks, counts the digest
//! reads the report <------------------------------- digest, opaque folders
//! compares the digest, marks the opaque folders,
//! syncs, renames the tree to its digest
//! ```
//!
//! Whatever a tar does, the child can write only into the new tree and only as the image range. Whiteouts become 0:0
//! devices, which any user may make. An opaque folder needs `trusted.overlay.opaque`, which only the host's root may
//! write: so the worker does that afterwards, under the finished tree. Device nodes are left out: trees are mounted
//! without devices. File capabilities get the image range's root as their owner by the kernel itself, which an id-mapped
//! mount turns into the session's root.

mod child;

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, SystemTime};

use nix::NixPath;
use nix::errno::Errno;
use nix::fcntl::{
    AtFlags, Flock, FlockArg, OFlag, OpenHow, RenameFlags, ResolveFlag, openat, openat2, renameat2,
};
use nix::sys::signal::kill;
use nix::sys::stat::{Mode, fstatat, mkdirat};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Gid, Pid, Uid, fchown, fsync, pipe, syncfs};

use crate::supervisor::name::DiffId;
use crate::sys::clone::{Cloned, clone};
use crate::sys::{pidfd, xattr};
use crate::tree;
pub use child::Report;

/// Names in the folder of layers that begin so are of unfinished work.
const UNFINISHED: &str = ".";
/// Longest report that is read.
const MAX_REPORT_BYTES: u64 = 64 << 20;

/// A layer was not unpacked; nothing is left of it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused the worker.
    #[error("{operation}: {source}")]
    System {
        /// What was tried.
        operation: &'static str,
        /// The kernel's answer.
        source: Errno,
    },
    /// The tar cannot be unpacked.
    #[error("unpack {layer}: {cause}")]
    Tar {
        /// Which layer.
        layer: DiffId,
        /// Why.
        cause: String,
    },
    /// The tar is another one than promised.
    #[error("unpack {layer}: its digest is sha256:{found}")]
    Digest {
        /// As promised.
        layer: DiffId,
        /// As it is, 64 hexadecimal digits.
        found: String,
    },
}

fn during(operation: &'static str) -> impl FnOnce(Errno) -> Error {
    move |source| Error::System { operation, source }
}

/// What to unpack, and where.
#[derive(Debug, Clone, Copy)]
pub struct Unpacking<'a> {
    /// The uncompressed tar: a regular file at its beginning, or a pipe.
    pub tar: BorrowedFd<'a>,
    /// The folder of layers.
    pub layers: BorrowedFd<'a>,
    /// The digest that the tar must have.
    pub layer: &'a DiffId,
    /// A user namespace that maps 65,536 ids from 0 on to the image range.
    pub namespace: BorrowedFd<'a>,
    /// First id of the image range.
    pub image_base: u32,
}

/// Whether a layer stands unpacked.
///
/// # Errors
/// What the kernel gives, but for a missing one.
pub fn is_unpacked(layers: BorrowedFd<'_>, layer: &DiffId) -> nix::Result<bool> {
    match fstatat(layers, layer.as_hex(), AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(true),
        Err(Errno::ENOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// The layers that have stood unpacked for a while and are `wanted`, in order.
///
/// # Errors
/// What the kernel gives.
pub fn list(
    layers: BorrowedFd<'_>,
    least: Duration,
    wanted: impl Fn(&DiffId) -> bool,
) -> nix::Result<Vec<DiffId>> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut listing = nix::dir::Dir::openat(layers, ".", flags, Mode::empty())?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut found = Vec::new();
    for entry in listing.iter() {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let Ok(layer) = DiffId::try_from(name) else { continue };
        let Ok(status) = fstatat(layers, layer.as_hex(), AtFlags::AT_SYMLINK_NOFOLLOW) else { continue };
        // Its name was its last change.
        let since = Duration::from_secs(status.st_ctime.try_into().unwrap_or(0));
        if now.saturating_sub(since) >= least && wanted(&layer) {
            found.push(layer);
        }
    }
    found.sort();
    Ok(found)
}

/// Unpacks a layer unless it stands already. To be called by a single-threaded worker of the supervisor, as root; it
/// returns when the tree has its final name and is on the disk, or when nothing is left of the attempt.
///
/// # Errors
/// When the tar is not what it should be, or the system refuses.
pub fn unpack(unpacking: &Unpacking<'_>) -> Result<(), Error> {
    let Unpacking { layers, layer, .. } = *unpacking;
    if is_unpacked(layers, layer).map_err(during("look for the layer"))? {
        return Ok(());
    }
    // A worker that was killed in the middle of a write may have outlived the supervisor's last look.
    remove_where(layers, is_abandoned).map_err(during("remove old attempts"))?;
    let name = format!("{UNFINISHED}unpack-{}", std::process::id());
    let done = unpack_as(&name, unpacking);
    if done.is_err() {
        // What cannot be removed now is removed at the next attempt, or start of the supervisor.
        tree::remove(layers, name.as_str()).ok();
    }
    done
}

fn unpack_as(name: &str, unpacking: &Unpacking<'_>) -> Result<(), Error> {
    let Unpacking { layers, layer, .. } = *unpacking;
    tree::remove(layers, name).map_err(during("remove an old attempt"))?;
    let folder = make_folder(name, unpacking).map_err(during("make the folder of the layer"))?;
    let _at_work = lock(&folder).map_err(during("lock the folder of the layer"))?;
    let report = run_child(&folder, unpacking)?;
    if report.digest != layer.as_hex() {
        return Err(Error::Digest { layer: layer.clone(), found: report.digest });
    }
    mark_opaque(&folder, &report.opaque).map_err(during("mark an opaque folder"))?;
    syncfs(&folder).map_err(during("sync the layer"))?;
    publish(layers, name, layer).map_err(during("rename the layer"))
}

fn make_folder(name: &str, unpacking: &Unpacking<'_>) -> nix::Result<OwnedFd> {
    mkdirat(unpacking.layers, name, Mode::from_bits_truncate(0o755))?;
    let folder = open_folder(unpacking.layers, name)?;
    let base = unpacking.image_base;
    fchown(&folder, Some(Uid::from_raw(base)), Some(Gid::from_raw(base)))?;
    Ok(folder)
}

fn run_child(folder: &OwnedFd, unpacking: &Unpacking<'_>) -> Result<Report, Error> {
    let (from_child, to_worker) = pipe().map_err(during("make a pipe"))?;
    match clone(nix::sched::CloneFlags::empty(), None).map_err(during("fork"))? {
        Cloned::Child => child::run(folder, unpacking, &to_worker),
        Cloned::Parent(pid, process) => {
            drop(to_worker);
            let mut text = Vec::new();
            let read = File::from(from_child).take(MAX_REPORT_BYTES).read_to_end(&mut text);
            if read.is_err() {
                // It has nobody left to report to.
                pidfd::send_signal(process.as_fd(), nix::sys::signal::Signal::SIGKILL).ok();
            }
            let status = waitpid(pid, None).map_err(during("wait for the unpacking process"))?;
            parse(&text, status, unpacking.layer)
        }
    }
}

fn parse(text: &[u8], status: WaitStatus, layer: &DiffId) -> Result<Report, Error> {
    let failed = |cause| Error::Tar { layer: layer.clone(), cause };
    let report: Result<Report, String> = serde_json::from_slice(text)
        .map_err(|_| failed(format!("the unpacking process ended without a report ({status:?})")))?;
    report.map_err(failed)
}

/// Tells overlay that these folders hide what is below them. A path is resolved inside the tree, whatever links it
/// holds; nobody else is at work in the tree any more.
fn mark_opaque(tree: &OwnedFd, folders: &[Vec<u8>]) -> nix::Result<()> {
    for folder in folders {
        let how = OpenHow::new()
            .flags(OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        let folder = openat2(tree, folder.as_slice(), how)?;
        xattr::set(folder.as_fd(), c"trusted.overlay.opaque", b"y")?;
    }
    Ok(())
}

fn publish(layers: BorrowedFd<'_>, name: &str, layer: &DiffId) -> nix::Result<()> {
    match renameat2(layers, name, layers, layer.as_hex(), RenameFlags::RENAME_NOREPLACE) {
        // Another worker was faster with the same content.
        Err(Errno::EEXIST) => tree::remove(layers, name)?,
        other => other?,
    }
    fsync(layers)
}

/// Removes an unpacked layer. Its name goes first, so that no half of a tree ever has it.
///
/// # Errors
/// What the kernel gives.
pub fn remove(layers: BorrowedFd<'_>, layer: &DiffId) -> nix::Result<()> {
    let folder = match open_folder(layers, layer.as_hex()) {
        Err(Errno::ENOENT) => return Ok(()),
        other => other?,
    };
    let _at_work = lock(&folder)?;
    let name = format!("{UNFINISHED}remove-{}-{}", std::process::id(), layer.as_hex());
    match renameat2(layers, layer.as_hex(), layers, name.as_str(), RenameFlags::empty()) {
        Err(Errno::ENOENT) => return Ok(()),
        other => other?,
    }
    tree::remove(layers, name.as_str())
}

/// Says that someone is at work in a folder, until the lock and all copies of the descriptor are closed.
fn lock(folder: &OwnedFd) -> nix::Result<Flock<OwnedFd>> {
    let copy = folder.try_clone().map_err(|_| Errno::EMFILE)?;
    Flock::lock(copy, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno)
}

fn open_folder<P: ?Sized + NixPath>(layers: BorrowedFd<'_>, name: &P) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(layers, name, flags, Mode::empty())
}

/// Removes what interrupted work left. At the start of the supervisor; work of a living process is left alone.
///
/// # Errors
/// What the kernel gives.
pub fn remove_unfinished(layers: BorrowedFd<'_>) -> nix::Result<()> {
    remove_where(layers, |_| true)
}

/// Whether the process that its name tells is no more. One that has just begun may not have its lock yet.
fn is_abandoned(name: &[u8]) -> bool {
    let pid = std::str::from_utf8(name).ok().and_then(|name| name.split('-').nth(1)?.parse().ok());
    pid.is_some_and(|pid| kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH))
}

fn remove_where(layers: BorrowedFd<'_>, wanted: impl Fn(&[u8]) -> bool) -> nix::Result<()> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut listing = nix::dir::Dir::openat(layers, ".", flags, Mode::empty())?;
    for entry in listing.iter() {
        let entry = entry?;
        let name = entry.file_name();
        let unfinished = name.to_bytes().starts_with(UNFINISHED.as_bytes());
        if !unfinished || matches!(name.to_bytes(), b"." | b"..") || !wanted(name.to_bytes()) {
            continue;
        }
        let busy = open_folder(layers, name)
            .is_ok_and(|folder| lock(&folder).is_err_and(|errno| errno == Errno::EWOULDBLOCK));
        if !busy {
            tree::remove(layers, name)?;
        }
    }
    Ok(())
}
