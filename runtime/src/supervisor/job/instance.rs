//! One more instance of a session that runs, and one less.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;

use super::machine::{Beside, Starting, end_politely, isolate, kill_rest, make_place};
use super::switch::{Switch, unplug};
use super::{DiskAhead, Plug, disk, given_at, refused};
use crate::cgroup::Removal;
use crate::supervisor::ground::Ground;
use crate::supervisor::name::{InstanceIndex, SessionNumber};
use crate::supervisor::protocol::{Machine, Refusal};
use crate::supervisor::worker::Reporter;
use crate::tree;

/// Between two looks at a group whose processes were killed.
const LOOK: std::time::Duration = std::time::Duration::from_millis(2);
/// Looks at it, at most: 4 seconds.
const LOOKS: u32 = 2000;

/// Makes its place and starts it.
pub(super) fn add(
    ground: &Ground,
    session: SessionNumber,
    machine: &Machine,
    disks: &[DiskAhead],
    plug: Plug,
    given: &[BorrowedFd<'_>],
    reporter: &Reporter,
) -> Result<(), Refusal> {
    let switch = Switch::find(plug, given, disks.len())?;
    let userns = given_at(given, given.len().saturating_sub(1))?;
    let disks = disk::take(ground, std::slice::from_ref(machine), disks, given)?;
    let ready = disks.first().map(|(_, disk)| disk);
    make_place(ground, session, machine, ready)?;
    let keep: Vec<_> =
        given.iter().copied().chain([reporter.as_fd()]).chain(ready.map(|disk| disk.mount())).collect();
    isolate(ground, &keep, &format!("add instance {} to session {session}", machine.index))?;
    let switch = switch.open(ground, reporter)?;
    let (switch, beside) = (switch.as_ref().map(AsFd::as_fd), &Beside::default());
    Starting { ground, session, machine, userns, switch, reporter, beside }.start(ready)
}

/// Ends it, and removes its port, its files and its groups. Every step may be repeated.
pub(super) fn remove(
    ground: &Ground,
    session: SessionNumber,
    index: InstanceIndex,
    plug: Plug,
    has_old: bool,
    given: &[BorrowedFd<'_>],
) -> Result<(), Refusal> {
    let operation = format!("remove instance {index} of session {session}");
    if let Some(old) = given.last().filter(|_| has_old) {
        end_politely(*old).map_err(|errno| refused(&operation, &errno))?;
    }
    kill_rest(ground, session, index).map_err(|error| refused(&operation, &error))?;
    if let Switch::Ready(switch) = Switch::find(plug, given, 0)? {
        unplug(ground, switch, index)?;
    }
    remove_files(ground, session, index).map_err(|error| refused(&operation, &error))?;
    remove_group(ground, session, index).map_err(|error| refused(&operation, &error))
}

fn remove_files(ground: &Ground, session: SessionNumber, index: InstanceIndex) -> Result<(), String> {
    let folder = ground.instance_dir(session, index);
    if folder.exists() {
        ground.driver.release(&folder).map_err(|error| error.to_string())?;
    }
    let all = File::open(ground.session_dir(session)).map_err(|error| error.to_string())?;
    match tree::remove(all.as_fd(), index.to_string().as_str()) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(errno.to_string()),
    }
}

fn remove_group(ground: &Ground, session: SessionNumber, index: InstanceIndex) -> Result<(), String> {
    for _ in 0..LOOKS {
        match ground.tree.remove_instance(session, index).map_err(|error| error.to_string())? {
            Removal::Gone => return Ok(()),
            Removal::Busy => std::thread::sleep(LOOK),
        }
    }
    Err("processes hold its groups".to_owned())
}
