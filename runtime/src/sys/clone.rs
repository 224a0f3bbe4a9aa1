//! New processes: `clone3`, without the libc's fork handlers.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::Result;
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::Pid;

const CLONE_PIDFD: u64 = 0x1000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Which side of a clone this is.
#[derive(Debug)]
pub enum Cloned {
    /// The new process.
    Child,
    /// The process that asked, with the child's id in its own pid namespace and a pidfd of it.
    Parent(Pid, OwnedFd),
}

/// Makes a copy of this process, as fork does, in the namespaces that `namespaces` asks for (it may also hold
/// `CLONE_PARENT`) and, on cgroup v2, directly in `cgroup`.
///
/// The memory of a threaded process may hold locks that nobody will open again, so only single-threaded ones may call.
///
/// # Errors
/// What `clone3` gives; `EDEADLK` when this process has more than one thread.
pub fn clone(namespaces: CloneFlags, cgroup: Option<BorrowedFd<'_>>) -> Result<Cloned> {
    if is_threaded()? {
        return Err(Errno::EDEADLK);
    }
    let mut pidfd: RawFd = -1;
    let mut arguments = arguments(namespaces, cgroup, &mut pidfd);
    // SAFETY: without CLONE_VM the child runs on its own copy of this stack, so returning twice is sound in a process
    // of one thread, which was checked above; the structure and `pidfd`, which it points to, outlive the call.
    let result = unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of_val(&arguments)) };
    match Errno::result(result)? {
        0 => Ok(Cloned::Child),
        pid => {
            // SAFETY: clone3 succeeded with CLONE_PIDFD, so the kernel stored a new descriptor that nobody else owns.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Cloned::Parent(Pid::from_raw(i32::try_from(pid).unwrap_or(i32::MAX)), pidfd))
        }
    }
}

fn arguments(namespaces: CloneFlags, cgroup: Option<BorrowedFd<'_>>, pidfd: &mut RawFd) -> libc::clone_args {
    // A sibling's exit signal is the caller's own; the kernel refuses another one.
    let sibling = namespaces.contains(CloneFlags::CLONE_PARENT);
    let into = if cgroup.is_some() { CLONE_INTO_CGROUP } else { 0 };
    libc::clone_args {
        flags: u64::from(namespaces.bits().cast_unsigned()) | CLONE_PIDFD | into,
        pidfd: std::ptr::from_mut(pidfd).addr() as u64,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: if sibling { 0 } else { libc::SIGCHLD.cast_unsigned().into() },
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: cgroup.map_or(0, |fd| u64::from(fd.as_raw_fd().cast_unsigned())),
    }
}

/// Whether this process has more threads than the calling one. Needs no `/proc`, which may be another namespace's.
fn is_threaded() -> Result<bool> {
    // The kernel refuses this to threaded processes, and does nothing for others.
    match unshare(CloneFlags::CLONE_THREAD) {
        Ok(()) => Ok(false),
        Err(Errno::EINVAL) => Ok(true),
        Err(errno) => Err(errno),
    }
}

/// Ends this process at once: no exit handler, no flushing of buffers that the parent has as well.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit takes any integer and does not return.
    unsafe { libc::_exit(code) }
}
