//! Trying a driver: a small disk is made, attached and filled until it must refuse.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::waitpid;
use nix::unistd::pipe;

use super::driver::{Driver, Kind};
use super::{Error, room};
use crate::sys::clone::{Cloned, clone, exit_now};
use crate::tree;

const PROBE_BYTES: u64 = 8 << 20;
const PIECE_BYTES: usize = 1 << 20;
/// An owner that is not root, whom quotas do not bind.
const OWNER: u32 = 65_534;
/// The longest sentence that the child may send.
const MAX_SENTENCE_BYTES: u64 = 4096;

/// Tries it in a child with mounts of its own.
pub(super) fn probe(driver: &Driver) -> Result<(), Error> {
    if driver.kind() == Kind::None {
        return Ok(());
    }
    let node = driver.node();
    room::require(node)?;
    let folder = node.join(format!("probe-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(Error::io("create", folder.display()))?;
    let tried = in_child(driver, &folder);
    driver.release(&folder)?;
    let parent = File::open(node).map_err(Error::io("open", node.display()))?;
    let name = folder.file_name().unwrap_or_default();
    tree::remove(std::os::fd::AsFd::as_fd(&parent), name).map_err(Error::io("remove", folder.display()))?;
    tried
}

fn in_child(driver: &Driver, folder: &Path) -> Result<(), Error> {
    let (from_child, to_parent) = pipe().map_err(Error::io("make a pipe for", "the probe"))?;
    match clone(CloneFlags::empty(), None).map_err(Error::io("fork for", "the probe"))? {
        Cloned::Child => child(driver, folder, to_parent),
        Cloned::Parent(pid, _) => {
            drop(to_parent);
            let mut sentence = String::new();
            let read = File::from(from_child).take(MAX_SENTENCE_BYTES).read_to_string(&mut sentence);
            read.map_err(Error::io("read from", "the probe"))?;
            waitpid(pid, None).map_err(Error::io("wait for", "the probe"))?;
            match sentence.as_str() {
                "limited" => Ok(()),
                "unlimited" => Err(Error::NoLimit(driver.name())),
                _ => Err(Error::Untried(driver.name(), sentence)),
            }
        }
    }
}

fn child(driver: &Driver, folder: &Path, to_parent: OwnedFd) -> ! {
    let answer = match try_limit(driver, folder) {
        Ok(true) => "limited".to_owned(),
        Ok(false) => "unlimited".to_owned(),
        Err(error) => error.to_string(),
    };
    let written = File::from(to_parent).write_all(answer.as_bytes());
    exit_now(i32::from(written.is_err()))
}

fn try_limit(driver: &Driver, folder: &Path) -> Result<bool, Error> {
    unshare(CloneFlags::CLONE_NEWNS).map_err(Error::io("unshare", "the mount namespace"))?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_PRIVATE | MsFlags::MS_REC, none)
        .map_err(Error::io("make private", "the mounts"))?;
    driver.create(folder, PROBE_BYTES, OWNER)?;
    let attached = driver.attach(folder)?;
    let path = attached.upper.join("probe");
    let file = File::create(&path).map_err(Error::io("create", path.display()))?;
    // Root may go beyond a quota, so the probe becomes what it limits.
    nix::unistd::setresuid(OWNER.into(), OWNER.into(), OWNER.into())
        .map_err(Error::io("become", "nobody"))?;
    refuses_at_limit(file, &path)
}

fn refuses_at_limit(mut file: File, path: &Path) -> Result<bool, Error> {
    let failed = |error| Error::io("write", path.display())(error);
    for _ in 0..2 * PROBE_BYTES / PIECE_BYTES as u64 {
        // To the disk each time: delayed allocation could promise too much.
        let written = file.write_all(&[1; PIECE_BYTES]).and_then(|()| file.sync_data());
        match written {
            Err(error) if is_full(&error) => return Ok(true),
            other => other.map_err(failed)?,
        }
    }
    Ok(false)
}

fn is_full(error: &std::io::Error) -> bool {
    [Errno::ENOSPC, Errno::EDQUOT].into_iter().any(|errno| error.raw_os_error() == Some(errno as i32))
}
