//! `start`: lets the program of a created container run.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;
use nix::libc::{O_NONBLOCK, SIGKILL};
use nix::unistd::Pid;

use super::error::Error;
use super::record::Record;
use super::status::Status;
use crate::init::HookState;
use crate::process::hook;
use crate::spec::Plan;

/// Starts a created container.
///
/// # Errors
/// When it is not waiting for its start.
pub fn start(record: &Record) -> Result<(), Error> {
    match record.status() {
        Status::Created => release(record)?,
        Status::Stopped => return Err(Error::said("cannot start a container that has stopped")),
        Status::Running | Status::Paused => {
            return Err(Error::said("cannot start an already running container"));
        }
    }
    let spec = record.spec()?;
    if spec.hooks().is_some() {
        run_poststart(record, &Plan::try_from(&spec)?)?;
    }
    Ok(())
}

/// The process holds the pipe open itself: where nobody reads, it is gone.
fn release(record: &Record) -> Result<(), Error> {
    let path = record.fifo();
    let opened = OpenOptions::new().write(true).custom_flags(O_NONBLOCK).open(&path);
    let mut fifo = opened.map_err(|error| match error.raw_os_error() {
        Some(code) if code == Errno::ENXIO as i32 => Error::said("cannot start a container that has stopped"),
        _ => Error::file("open", &path)(error),
    })?;
    // Away first: once the byte is read the container is running.
    fs::remove_file(&path).map_err(Error::file("remove", &path))?;
    fifo.write_all(b"g").map_err(Error::file("write", &path))
}

/// A failing poststart hook ends the container.
pub(super) fn run_poststart(record: &Record, plan: &Plan) -> Result<(), Error> {
    let hooks = &plan.hooks().poststart;
    if hooks.is_empty() {
        return Ok(());
    }
    let state = record.document("running", Pid::from_raw(record.pid));
    hook::run_all("poststart", hooks, &state).map_err(|failure| {
        let killed = super::kill::kill_first(record, SIGKILL);
        drop(killed);
        Error::said(failure.message)
    })
}
