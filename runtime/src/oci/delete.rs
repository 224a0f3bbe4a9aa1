//! `delete`: what was made for a container goes.

use std::fs;
use std::io::ErrorKind;
use std::os::fd::AsFd;

use nix::libc::SIGKILL;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;

use super::error::Error;
use super::record::Record;
use super::root::Root;
use super::status::Status;
use crate::init::HookState;
use crate::process::hook;
use crate::spec::Plan;
use crate::sys::pidfd;

/// How long a killed process may take to end, in milliseconds.
const PATIENCE_MS: u16 = 10_000;

/// Deletes a container that has stopped or was only created; with `force`, one that runs.
///
/// # Errors
/// When it runs and must not be killed, or something of it could not be removed.
pub fn delete(root: &Root, id: &str, force: bool) -> Result<(), Error> {
    let record = match root.open(id) {
        Err(Error::Missing(_)) => return delete_remains(root, id, force),
        result => result?,
    };
    match record.status() {
        Status::Stopped => {}
        Status::Created => end(&record)?,
        _ if force => end(&record)?,
        status => {
            return Err(Error::said(format!("cannot delete container {id} that is not stopped: {status}")));
        }
    }
    destroy(&record)
}

/// A folder without a record is what a `create` that was killed has left.
fn delete_remains(root: &Root, id: &str, force: bool) -> Result<(), Error> {
    remove_folder(&root.folder(id))?;
    if force { Ok(()) } else { Err(Error::Missing(id.to_owned())) }
}

/// Kills the first process and waits for its end.
pub(super) fn end(record: &Record) -> Result<(), Error> {
    let Ok(process) = pidfd::open(Pid::from_raw(record.pid)) else { return Ok(()) };
    if !record.is_alive() {
        return Ok(());
    }
    // It may have ended between the look and the signal.
    let _ended = pidfd::send_number(process.as_fd(), SIGKILL);
    if record.placed.is_frozen() {
        record.placed.set_frozen(false)?;
    }
    let mut ended = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    match poll(&mut ended, PollTimeout::from(PATIENCE_MS)) {
        Ok(0) => Err(Error::said("container init still running")),
        _ => Ok(()),
    }
}

/// Removes everything of a container that has stopped: what still lives in its cgroup, the cgroup, its folder; then the
/// poststop hooks run. May be repeated after a failure.
///
/// # Errors
/// With the first thing that could not be removed.
pub fn destroy(record: &Record) -> Result<(), Error> {
    let spec = record.spec().ok();
    record.placed.remove(!record.private_pids)?;
    remove_folder(&record.folder)?;
    if let Some(spec) = spec.filter(|spec| spec.hooks().is_some()) {
        let plan = Plan::try_from(&spec)?;
        let state = record.document("stopped", Pid::from_raw(0));
        hook::run_all("poststop", &plan.hooks().poststop, &state)
            .map_err(|failure| Error::said(failure.message))?;
    }
    Ok(())
}

pub(super) fn remove_folder(folder: &std::path::Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::file("remove", folder)(error)),
        _ => Ok(()),
    }
}
