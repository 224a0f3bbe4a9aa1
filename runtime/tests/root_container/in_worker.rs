//! A forked worker, as the supervisor has them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::CloneFlags;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::Pid;
use sandlot_runtime::container::worker;
use sandlot_runtime::failure::StepError;
use sandlot_runtime::sys::clone::{Cloned, clone, exit_now};
use sandlot_runtime::sys::packet;

use super::output::wait;

type Outcome = Result<(Pid, Vec<OwnedFd>), String>;

/// Runs `work` in a forked worker, which reports a process and descriptors, or an error.
pub(crate) fn in_worker(
    keep: &[BorrowedFd<'_>],
    work: impl FnOnce(&dyn Fn(Pid, &[BorrowedFd<'_>])) -> Result<(), StepError>,
) -> Outcome {
    let (ours, theirs) =
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
    match clone(CloneFlags::empty(), None).unwrap() {
        Cloned::Child => {
            let mut keep = keep.to_vec();
            keep.push(theirs.as_fd());
            std::mem::forget(ours);
            let report = |pid: Pid, descriptors: &[BorrowedFd<'_>]| {
                packet::send(theirs.as_fd(), &pid.as_raw().to_ne_bytes(), descriptors).unwrap();
            };
            if let Err(error) = worker::isolate(&keep).and_then(|()| work(&report)) {
                packet::send(theirs.as_fd(), format!("error: {error}").as_bytes(), &[]).unwrap();
            }
            exit_now(0)
        }
        Cloned::Parent(_, worker) => {
            drop(theirs);
            let mut buffer = [0; 4096];
            poll(&mut [PollFd::new(ours.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE).unwrap();
            let received = packet::receive(ours.as_fd(), &mut buffer).unwrap();
            wait(worker.as_fd());
            let bytes = &buffer[..received.length];
            match <[u8; 4]>::try_from(bytes) {
                Ok(pid) => Ok((Pid::from_raw(i32::from_ne_bytes(pid)), received.descriptors)),
                Err(_) => Err(String::from_utf8_lossy(bytes).into_owned()),
            }
        }
    }
}
