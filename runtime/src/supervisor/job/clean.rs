//! The last steps of a session's end. Each is tried whatever became of those before, and all may be run again.

use std::fs::File;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::cgroup::{Error, Removal};
use crate::supervisor::ground::Ground;
use crate::supervisor::log;
use crate::supervisor::name::{InstanceIndex, SessionNumber};
use crate::supervisor::protocol::{Refusal, RefusalKind};
use crate::tree;

/// How long processes that were killed may take to be gone.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(2);

/// A step of the end.
struct Step {
    name: &'static str,
    run: fn(&Ground, SessionNumber) -> Result<(), String>,
}

const STEPS: &[Step] = &[
    Step { name: "kill its processes", run: kill },
    Step { name: "remove its files", run: remove_files },
    Step { name: "remove its groups", run: remove_groups },
];

/// Runs all the steps; what failed is collected.
pub(super) fn clean(ground: &Ground, session: SessionNumber) -> Result<(), Refusal> {
    let failed: Vec<&Step> = STEPS.iter().filter(|step| !succeeds(step, ground, session)).collect();
    let Some(first) = failed.first() else { return Ok(()) };
    let names: Vec<&str> = failed.iter().map(|step| step.name).collect();
    let message = format!("end session {session}: {}", names.join(", "));
    Err(Refusal { kind: RefusalKind::Failed, message, step: Some(first.name.to_owned()) })
}

fn succeeds(step: &Step, ground: &Ground, session: SessionNumber) -> bool {
    let done = (step.run)(ground, session);
    if let Err(error) = &done {
        log::session_warn(session, format_args!("{}: {error}", step.name));
    }
    done.is_ok()
}

/// A tree that still forks is killed again until it is empty.
fn kill(ground: &Ground, session: SessionNumber) -> Result<(), String> {
    let until = Instant::now() + PATIENCE;
    let gone = || -> Result<bool, Error> {
        if ground.tree.is_session_empty(session)? {
            return Ok(true);
        }
        ground.tree.kill_session(session)?;
        ground.tree.is_session_empty(session)
    };
    repeat(until, gone, "processes are left")
}

fn remove_groups(ground: &Ground, session: SessionNumber) -> Result<(), String> {
    let until = Instant::now() + PATIENCE;
    let gone = || Ok(matches!(ground.tree.remove_session(session)?, Removal::Gone));
    repeat(until, gone, "processes hold them")
}

fn repeat(until: Instant, gone: impl Fn() -> Result<bool, Error>, left: &str) -> Result<(), String> {
    while !gone().map_err(|error| error.to_string())? {
        if Instant::now() > until {
            return Err(left.to_owned());
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// Disks first give back what they hold besides their files. The tree may be as hostile as its user.
fn remove_files(ground: &Ground, session: SessionNumber) -> Result<(), String> {
    let mut failed = Vec::new();
    for index in (0..InstanceIndex::COUNT).filter_map(|index| InstanceIndex::try_from(index).ok()) {
        let folder = ground.instance_dir(session, index);
        if folder.exists() {
            failed.extend(ground.driver.release(&folder).err().map(|error| error.to_string()));
        }
    }
    let sessions = File::open(ground.node.sessions_dir()).map_err(|error| error.to_string())?;
    match tree::remove(sessions.as_fd(), session.to_string().as_str()) {
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(errno) => failed.push(errno.to_string()),
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
}
