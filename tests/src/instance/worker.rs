//! Short-lived workers, as the supervisor forks them.

use std::fmt::Display;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::{Result, bail};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::CloneFlags;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use sandlot_runtime::container::worker;
use sandlot_runtime::failure::{StepError, during};
use sandlot_runtime::sys::clone::{Cloned, clone, exit_now};
use sandlot_runtime::sys::packet;

use crate::wait::PATIENCE;

type Reporter<'a> = &'a dyn Fn(Pid, &[BorrowedFd<'_>]) -> Result<(), StepError>;

/// A failure in a test's part of a worker.
pub(super) fn step<T, E: Display>(result: Result<T, E>) -> Result<T, StepError> {
    result.map_err(|error| StepError::new("prepare the test", during(error.to_string())(Errno::EINVAL)))
}

/// Runs `work` in a worker that keeps only the descriptors given, and returns the process and the descriptors that it
/// reports.
pub(super) fn run(
    keep: &[BorrowedFd<'_>],
    work: impl FnOnce(Reporter<'_>) -> Result<(), StepError>,
) -> Result<(Pid, Vec<OwnedFd>)> {
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
    match clone(CloneFlags::empty(), None)? {
        Cloned::Child => {
            let mut keep = keep.to_vec();
            keep.push(theirs.as_fd());
            std::mem::forget(ours);
            let report = |pid: Pid, descriptors: &[BorrowedFd<'_>]| {
                step(packet::send(theirs.as_fd(), &pid.as_raw().to_ne_bytes(), descriptors))
            };
            let worked = worker::isolate(&keep).and_then(|()| work(&report));
            if let Err(error) = worked {
                // A test that is gone needs no report.
                let _unheard = packet::send(theirs.as_fd(), format!("error: {error}").as_bytes(), &[]);
            }
            exit_now(0)
        }
        Cloned::Parent(_, worker) => {
            drop(theirs);
            receive(ours.as_fd(), worker.as_fd())
        }
    }
}

fn receive(socket: BorrowedFd<'_>, worker: BorrowedFd<'_>) -> Result<(Pid, Vec<OwnedFd>)> {
    if poll(&mut [PollFd::new(socket, PollFlags::POLLIN)], PollTimeout::try_from(PATIENCE)?)? == 0 {
        bail!("a worker neither ended nor said anything for {PATIENCE:?}");
    }
    let mut buffer = [0; 4096];
    let received = packet::receive(socket, &mut buffer)?;
    waitid(Id::PIDFd(worker), WaitPidFlag::WEXITED)?;
    let bytes = buffer.get(..received.length).unwrap_or_default();
    match <[u8; 4]>::try_from(bytes) {
        Ok(pid) => Ok((Pid::from_raw(i32::from_ne_bytes(pid)), received.descriptors)),
        Err(_) => bail!("{}", String::from_utf8_lossy(bytes)),
    }
}

/// Waits for every child that has ended; others go on.
pub(super) fn reap() {
    while !matches!(
        waitpid(Pid::from_raw(-1), Some(WaitPidFlag::WNOHANG)),
        Ok(WaitStatus::StillAlive) | Err(_)
    ) {}
}
