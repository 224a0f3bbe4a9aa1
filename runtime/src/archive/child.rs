//! The process that does the work, and its report.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigHandler, Signal};
use nix::sys::stat::{Mode, umask};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, getpid, getppid, pipe};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::Error;
use crate::process::user;
use crate::sys::clone::{Cloned, clone, exit_now};
use crate::sys::{close, pidfd, signal};

/// Memory of the process at most: a stranger decides how much there is to remember.
const MAX_MEMORY_BYTES: u64 = 1 << 30;
/// Longest report that is read.
const MAX_REPORT_BYTES: u64 = 64 * 1024;

/// What the process is left with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept<'a> {
    descriptors: &'a [BorrowedFd<'a>],
    report: BorrowedFd<'a>,
    parent: Pid,
}

impl Kept<'_> {
    /// The first steps: opaque, bounded, and nothing open but what is needed.
    pub(super) fn only(&self) -> nix::Result<()> {
        prctl::set_dumpable(false)?;
        let keep: Vec<_> = self.descriptors.iter().copied().chain([self.report]).collect();
        close::close_all_but(&keep)?;
        setrlimit(Resource::RLIMIT_AS, MAX_MEMORY_BYTES, MAX_MEMORY_BYTES)?;
        setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
        // A folder of each level of a deep tree is open.
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
        setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
        // A reader that has gone is an error like any other.
        signal::handle(Signal::SIGPIPE, SigHandler::SigIgn)
    }

    /// The last steps, in the user namespace: its root, and gone with the worker. A change of ids would have dropped that.
    pub(super) fn become_root(&self) -> nix::Result<()> {
        user::become_user(0, 0, Some(&[]))?;
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        if getppid() != self.parent {
            return Err(Errno::ESRCH);
        }
        umask(Mode::empty());
        Ok(())
    }
}

/// Does `work` in a child in this cgroup, which keeps only `descriptors`, while `attend` runs here; returns what it
/// reports. To be called by a single-threaded worker.
pub(super) fn run<T: Serialize + DeserializeOwned>(
    descriptors: &[BorrowedFd<'_>],
    cgroup: Option<BorrowedFd<'_>>,
    work: impl FnOnce(Kept<'_>) -> Result<T, Error>,
    attend: impl FnOnce(BorrowedFd<'_>),
) -> Result<T, Error> {
    let parent = getpid();
    let (from_child, report) = pipe().map_err(Error::system("make a pipe"))?;
    match clone(CloneFlags::empty(), cgroup).map_err(Error::system("start a process"))? {
        Cloned::Child => {
            let done = work(Kept { descriptors, report: report.as_fd(), parent });
            exit_now(i32::from(tell(report, &done).is_err()))
        }
        Cloned::Parent(pid, process) => {
            drop(report);
            attend(process.as_fd());
            hear(pid, &process, from_child)
        }
    }
}

fn tell<T: Serialize>(report: OwnedFd, done: &Result<T, Error>) -> std::io::Result<()> {
    File::from(report).write_all(&serde_json::to_vec(done)?)
}

fn hear<T: DeserializeOwned>(pid: Pid, process: &OwnedFd, report: OwnedFd) -> Result<T, Error> {
    let mut text = Vec::new();
    let read = File::from(report).take(MAX_REPORT_BYTES).read_to_end(&mut text);
    if read.is_err() {
        // Nobody hears it any more; that it has ended already is as good.
        pidfd::send_signal(process.as_fd(), Signal::SIGKILL).ok();
    }
    let status = waitpid(pid, None).map_err(Error::system("wait for the process"))?;
    let done: Result<T, Error> = serde_json::from_slice(&text)
        .map_err(|_| Error::invalid(format!("the process ended without a report ({status:?})")))?;
    done
}
