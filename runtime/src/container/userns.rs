//! User namespaces: the id range of a session, and id maps for mounts.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::unistd::Pid;

use super::undo::Unfinished;
use crate::failure::{Failure, StepError, during};
use crate::init::{ChildEnd, pair};
use crate::sys::clone::{Cloned, clone, exit_now};

/// A new user namespace in which ids from 0 on are the host's from `first_host_id` on.
/// Called in a single-threaded process with CAP_SETUID and CAP_SETGID.
///
/// # Errors
/// With what the kernel refused.
pub fn create(first_host_id: u32, count: u32) -> Result<OwnedFd, StepError> {
    create_idmap(0, first_host_id, count)
}

/// A user namespace for an id-mapped mount: what is owned by `from`.. on disk is owned by `to`.. through the mount.
/// Called as [`create`].
///
/// # Errors
/// With what the kernel refused.
pub fn create_idmap(from: u32, to: u32, count: u32) -> Result<OwnedFd, StepError> {
    let line = format!("{from} {to} {count}\n");
    create_with(&line, &line)
}

/// A user namespace with these maps of users and groups, as the kernel takes them. Called as [`create`].
///
/// # Errors
/// With what the kernel refused.
pub fn create_with(uid_map: &str, gid_map: &str) -> Result<OwnedFd, StepError> {
    create_with_maps([uid_map, gid_map]).map_err(|failure| StepError::new("make a user namespace", failure))
}

/// The namespace needs a process only until a descriptor holds it.
fn create_with_maps(maps: [&str; 2]) -> Result<OwnedFd, Failure> {
    let (parent, child) = pair().map_err(during("make a socket pair"))?;
    match clone(CloneFlags::CLONE_NEWUSER, None).map_err(during("clone into a user namespace"))? {
        Cloned::Child => {
            drop(parent);
            wait_and_exit(&child)
        }
        Cloned::Parent(pid, pidfd) => {
            drop(child);
            let holder = Unfinished::new(pidfd);
            let namespace = map(pid, maps)?;
            parent.go().map_err(during("end the holder of the namespace"))?;
            holder.wait();
            Ok(namespace)
        }
    }
}

fn wait_and_exit(sync: &ChildEnd) -> ! {
    // Also ends when the parent dies first.
    exit_now(i32::from(sync.wait_for_go().is_err()))
}

fn map(pid: Pid, maps: [&str; 2]) -> Result<OwnedFd, Failure> {
    for (file, lines) in ["uid_map", "gid_map"].into_iter().zip(maps) {
        let path = format!("/proc/{pid}/{file}");
        let written =
            File::options().write(true).open(&path).and_then(|mut map| map.write_all(lines.as_bytes()));
        written.map_err(|error| during(format!("write `{}` to `{path}`", lines.trim()))(errno(&error)))?;
    }
    let path = format!("/proc/{pid}/ns/user");
    File::open(&path).map(OwnedFd::from).map_err(|error| during(format!("open `{path}`"))(errno(&error)))
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32))
}
