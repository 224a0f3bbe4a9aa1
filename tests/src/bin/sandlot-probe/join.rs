//! How a container must not be joined: by a process that stays open to inspection until it executes something inside.
//! Run on the host, to show that [`crate::watch`] catches such a process.

use std::ffi::CString;
use std::fs::File;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use nix::sys::wait::waitpid;
use nix::unistd::{Gid, Uid, chdir, execv, setgid, setgroups, setuid};
use sandlot_runtime::sys::capability::{self, Sets};
use sandlot_runtime::sys::clone::{self, Cloned};

use crate::outcome::{Outcome, argument};

/// User first, for the others need its capabilities; the pid namespace is that of the children.
const NAMESPACES: [&str; 7] = ["user", "cgroup", "ipc", "uts", "net", "pid", "mnt"];

/// Docker's default set: whoever has less than the target may not inspect it anyhow.
const DOCKER: Sets = Sets { effective: 0xa804_25fb, permitted: 0xa804_25fb, inheritable: 0 };

/// Joins the container of a process, dawdles as one of its processes, and executes a program there.
pub(crate) fn carelessly(arguments: &[String]) -> Outcome {
    let (pid, milliseconds) = match (argument::<i32>(arguments, 0), argument::<u64>(arguments, 1)) {
        (Ok(pid), Ok(milliseconds)) => (pid, milliseconds),
        (Err(outcome), _) | (_, Err(outcome)) => return outcome,
    };
    let program = arguments.get(2..).unwrap_or_default();
    let program: Vec<CString> = program.iter().filter_map(|part| CString::new(part.as_str()).ok()).collect();
    if let Err(error) = enter(pid) {
        return Outcome::unprepared("join the container", error);
    }
    if let Err(errno) = capability::set(DOCKER) {
        return Outcome::unprepared("drop capabilities", errno);
    }
    match clone::clone(CloneFlags::empty(), None) {
        Ok(Cloned::Parent(child, _)) => Outcome::of("join", waitpid(child, None)),
        Ok(Cloned::Child) => dawdle(milliseconds, &program),
        Err(errno) => Outcome::unprepared("make a process", errno),
    }
}

fn enter(pid: i32) -> std::io::Result<()> {
    let files: Vec<File> = NAMESPACES
        .iter()
        .map(|name| File::open(format!("/proc/{pid}/ns/{name}")))
        .collect::<Result<_, _>>()?;
    for file in &files {
        setns(file, CloneFlags::empty())?;
    }
    setgroups(&[])?;
    setgid(Gid::from_raw(0))?;
    setuid(Uid::from_raw(0))?;
    chdir("/")?;
    Ok(())
}

fn dawdle(milliseconds: u64, program: &[CString]) -> ! {
    // The kernel closed the process to inspection when it changed its user; this is the careless part.
    if nix::sys::prctl::set_dumpable(true).is_err() {
        clone::exit_now(126)
    }
    let end = Instant::now() + Duration::from_millis(milliseconds);
    while Instant::now() < end {
        std::hint::spin_loop();
    }
    if let Some(path) = program.first() {
        let _failed = execv(path, program);
    }
    clone::exit_now(127)
}
