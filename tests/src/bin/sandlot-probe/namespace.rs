//! Namespaces: new ones, and what those of the host hold.

use std::fs;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{gethostname, sethostname};

use crate::outcome::{Outcome, argument};

/// Enters a new user namespace.
pub(crate) fn new_user_namespace(_: &[String]) -> Outcome {
    Outcome::of("unshare", unshare(CloneFlags::CLONE_NEWUSER))
}

/// Sets the host name to what it is.
pub(crate) fn rename_host(_: &[String]) -> Outcome {
    match gethostname() {
        Ok(name) => Outcome::of("set the host name", sethostname(name)),
        Err(errno) => Outcome::unprepared("read the host name", errno),
    }
}

/// Looks for a segment of System V shared memory by its number.
pub(crate) fn see_shared_memory(arguments: &[String]) -> Outcome {
    let id: String = match argument(arguments, 0) {
        Ok(id) => id,
        Err(outcome) => return outcome,
    };
    let table = match fs::read_to_string("/proc/sysvipc/shm") {
        Ok(table) => table,
        Err(error) => return Outcome::unprepared("read the segments", error),
    };
    match table.lines().skip(1).find(|line| line.split_whitespace().nth(1) == Some(id.as_str())) {
        Some(line) => Outcome::Succeeded(line.trim().to_owned()),
        None => Outcome::Refused(format!("not among {} segments", table.lines().count() - 1)),
    }
}
