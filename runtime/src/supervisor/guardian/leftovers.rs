//! Killing what a dead supervisor left: all sessions first, then one wait for all of them. Files, groups and ids are
//! removed by the next supervisor's workers, which know how.

use std::time::Duration;

use nix::sys::signal::{Signal, kill as send};
use nix::unistd::{Pid, getpid};

use crate::cgroup::{Error, Removal, Tree};
use crate::supervisor::clock::Moment;
use crate::supervisor::log;
use crate::supervisor::name::SessionNumber;
use crate::supervisor::node::NodeFile;
use crate::sys::wait;

/// The longest wait for the dead: the next supervisor goes on with what is left then.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two looks at them.
const LOOK: Duration = Duration::from_millis(2);

/// Kills every process of the node's sessions. What fails is said, and the rest is done.
pub(super) fn kill(node: &NodeFile) {
    kill_children();
    let listed = Tree::open(&node.cgroup_parent).and_then(|tree| Ok((tree.sessions()?, tree)));
    match listed {
        Ok((sessions, tree)) => kill_sessions(&tree, sessions),
        Err(error) => log::warn(format_args!("find what is left: {error}")),
    }
    outlive_children();
}

/// Waits for workers, and for what they leave in turn: while one lives, its half-done work counts as being done.
fn outlive_children() {
    let until = Moment::now().after(PATIENCE);
    while kill_children() && Moment::now() < until {
        reap();
        std::thread::sleep(LOOK);
    }
}

/// Kills whatever has become a child of this process: pid 1 of each instance, and workers. Whether there was any.
fn kill_children() -> bool {
    let path = format!("/proc/self/task/{}/children", getpid());
    let children = std::fs::read_to_string(path).unwrap_or_default();
    for pid in children.split_whitespace().filter_map(|word| word.parse().ok()) {
        // Not waited for yet, so the id is still that child's.
        if let Err(errno) = send(Pid::from_raw(pid), Signal::SIGKILL) {
            log::warn(format_args!("kill process {pid}: {errno}"));
        }
    }
    !children.trim().is_empty()
}

fn kill_sessions(tree: &Tree, mut left: Vec<SessionNumber>) {
    let until = Moment::now().after(PATIENCE);
    while !left.is_empty() && Moment::now() < until {
        left.retain(|number| !is_dead(tree, *number).unwrap_or(false));
        reap();
        if !left.is_empty() {
            std::thread::sleep(LOOK);
        }
    }
    reap();
    for number in left {
        log::session_warn(number, "its processes are not gone yet");
    }
}

fn is_dead(tree: &Tree, number: SessionNumber) -> Result<bool, Error> {
    if tree.is_session_empty(number)? {
        return Ok(true);
    }
    tree.kill_session(number)?;
    tree.is_session_empty(number)
}

fn reap() {
    while let Ok(Some(_)) = wait::any_ended() {}
}

/// Removes the node's groups once nothing runs in them. Serve may still sit in its own, and then they stay.
pub(super) fn remove_groups(node: &NodeFile) {
    let until = Moment::now().after(PATIENCE);
    loop {
        match Tree::remove(&node.cgroup_parent) {
            Ok(Removal::Gone) => return,
            Ok(Removal::Busy) if Moment::now() < until => std::thread::sleep(LOOK),
            Ok(Removal::Busy) => return log::info("the node's groups stay: a process is in them"),
            Err(error) => return log::warn(format_args!("remove the node's groups: {error}")),
        }
    }
}
