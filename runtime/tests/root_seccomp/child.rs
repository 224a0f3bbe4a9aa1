//! Children that load a filter and become a program.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::CloneFlags;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, execveat, pipe, read, write};
use sandlot_runtime::process::seccomp::Filter;
use sandlot_runtime::sys::clone::{Cloned, clone, exit_now};
use sandlot_runtime::sys::pidfd;
use serde_json::{Value, json};

/// Above every error number that the tests use.
const NOT_STARTED: i32 = 250;

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With the error number of its call; zero when the call succeeded.
    With(i32),
    /// By a signal.
    By(i32),
    /// Before it began.
    NotStarted,
}

/// A filter over everything that a program of these tests needs, and these rules.
pub(crate) fn filter(default: &str, rules: &[Value]) -> Filter {
    compile(json!({"defaultAction": default, "syscalls": rules}))
}

/// The same of a whole profile.
pub(crate) fn compile(mut profile: Value) -> Filter {
    let needed = json!({"names": ["execveat", "exit_group", "read", "write"], "action": "SCMP_ACT_ALLOW"});
    profile["syscalls"].as_array_mut().unwrap().push(needed);
    Filter::compile(&serde_json::from_value(profile).unwrap()).unwrap()
}

/// Runs a program under a filter to its end.
pub(crate) fn run(filter: &Filter, program: &OwnedFd) -> Ended {
    match clone(CloneFlags::empty(), None).unwrap() {
        Cloned::Child => become_program(program, || filter.load().map(drop)),
        Cloned::Parent(pid, _) => wait(pid),
    }
}

/// A program under a filter with a listener.
pub(crate) struct Notifying {
    pid: Pid,
    /// A copy of the child's.
    pub(crate) listener: OwnedFd,
}

impl Notifying {
    /// The child names its listener by a pipe and waits until it was copied, as pid 1 of a container would.
    pub(crate) fn start(filter: &Filter, program: &OwnedFd) -> Self {
        let ((told, tell), (waits, go)) = (pipe().unwrap(), pipe().unwrap());
        match clone(CloneFlags::empty(), None).unwrap() {
            Cloned::Child => become_program(program, || {
                let listener = filter.load()?.ok_or(Errno::EBADF)?;
                write(&tell, &listener.as_raw_fd().to_ne_bytes())?;
                read(&waits, &mut [0]).map(drop)
            }),
            Cloned::Parent(pid, process) => {
                drop((tell, waits));
                let mut number = [0; size_of::<RawFd>()];
                assert_eq!(read(&told, &mut number).unwrap(), number.len(), "the filter was not loaded");
                let listener = pidfd::copy_descriptor(process.as_fd(), RawFd::from_ne_bytes(number)).unwrap();
                write(&go, &[0]).unwrap();
                Self { pid, listener }
            }
        }
    }

    pub(crate) fn end(self) -> Ended {
        wait(self.pid)
    }
}

/// Waits up to ten seconds.
pub(crate) fn await_readable(descriptor: &impl AsFd) {
    let mut waiting = [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut waiting, PollTimeout::from(10_000_u16)).unwrap(), 1, "nothing came");
}

fn become_program(program: &OwnedFd, prepare: impl FnOnce() -> nix::Result<()>) -> ! {
    let nothing: [&CStr; 0] = [];
    // The signal of a filter leaves a core file.
    setrlimit(Resource::RLIMIT_CORE, 0, 0).ok();
    prepare().and_then(|()| execveat(program, c"", &[c"program"], &nothing, AtFlags::AT_EMPTY_PATH)).ok();
    exit_now(NOT_STARTED)
}

fn wait(pid: Pid) -> Ended {
    match waitpid(pid, None).unwrap() {
        WaitStatus::Exited(_, NOT_STARTED) => Ended::NotStarted,
        WaitStatus::Exited(_, code) => Ended::With(code),
        WaitStatus::Signaled(_, signal, _) => Ended::By(signal as i32),
        other => panic!("{other:?}"),
    }
}
