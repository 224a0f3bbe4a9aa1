//! Programs that join an instance: terminals and execs.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;

use super::machine::plan_for;
use super::{Seat, Spent, refused, refused_step};
use crate::cgroup::{Error, Instance, Leaf, LeafName, Removal};
use crate::container::{self, JoinPlan};
use crate::supervisor::ground::Ground;
use crate::supervisor::name::{ExecNumber, InstanceIndex, SessionNumber};
use crate::supervisor::protocol::{Command, Refusal, RefusalKind, Winsize};
use crate::supervisor::worker::{Report, Reporter};

/// Between two rounds of killing.
const LOOK: Duration = Duration::from_millis(2);
/// Tries to remove a group that processes hold.
const LOOKS: u32 = 5;

/// Opens a terminal beside pid 1, in its group.
pub(super) fn open_terminal(
    ground: &Ground,
    seat: &Seat,
    command: &Command,
    size: Winsize,
    init: BorrowedFd<'_>,
    reporter: &Reporter,
) -> Result<(), Refusal> {
    join(ground, seat, command, Some(size), LeafName::Machine, init, reporter)
}

/// Runs a program in a group of its own, so that it can be killed with all it has started.
pub(super) fn exec(
    ground: &Ground,
    seat: &Seat,
    exec: ExecNumber,
    command: &Command,
    init: BorrowedFd<'_>,
    reporter: &Reporter,
) -> Result<(), Refusal> {
    join(ground, seat, command, None, LeafName::Exec(exec), init, reporter)
}

fn join(
    ground: &Ground,
    seat: &Seat,
    command: &Command,
    terminal: Option<Winsize>,
    leaf: LeafName,
    init: BorrowedFd<'_>,
    reporter: &Reporter,
) -> Result<(), Refusal> {
    let operation = format!("join instance {} of session {}", seat.machine.index, seat.session);
    let leaf = open_leaf(ground, seat.session, seat.machine.index, leaf)
        .map_err(|error| refused(&operation, &error))?
        .ok_or_else(|| Refusal {
            kind: RefusalKind::Busy,
            message: format!("{operation}: it has ended"),
            step: None,
        })?;
    let plan = plan_for(&seat.machine, &operation)?;
    let join = JoinPlan {
        command,
        login: seat.machine.login,
        terminal,
        plan: &plan,
        filter: ground.filter(&seat.machine),
    };
    let joined =
        container::join(&join, init, Some(&leaf)).map_err(|error| refused_step(&operation, &error))?;
    let mut descriptors = vec![joined.pidfd.as_fd()];
    descriptors.extend(joined.descriptors.iter().map(AsFd::as_fd));
    reporter
        .send(&Report::Process { pid: joined.pid.as_raw() }, &descriptors)
        .map_err(|error| refused(&operation, &error))
}

/// A leaf of an instance; `None` when its group has gone.
pub(super) fn open_leaf(
    ground: &Ground,
    session: SessionNumber,
    index: InstanceIndex,
    leaf: LeafName,
) -> Result<Option<Leaf>, Error> {
    let instance = ground.tree.open_instance(session, index)?;
    instance.map(|instance| instance.leaf(leaf)).transpose()
}

/// Kills an exec's program and all that came of it, however fast it forks.
pub(super) fn kill_exec(
    ground: &Ground,
    session: SessionNumber,
    index: InstanceIndex,
    exec: ExecNumber,
) -> Result<(), Refusal> {
    let operation = format!("kill exec {} of session {session}", exec.0);
    let killed = ground.tree.open_instance(session, index).and_then(|instance| {
        let Some(instance) = instance else { return Ok(()) };
        let leaf = instance.leaf(LeafName::Exec(exec))?;
        while !leaf.is_empty()? {
            leaf.kill()?;
            std::thread::sleep(LOOK);
        }
        remove_leaf(&instance, exec)
    });
    match killed {
        // The group has gone meanwhile, and with it every process.
        Err(error) if is_gone(error.errno()) => Ok(()),
        killed => killed.map_err(|error| refused(&operation, &error)),
    }
}

fn is_gone(errno: Option<i32>) -> bool {
    [Errno::ENODEV, Errno::ENOENT].into_iter().any(|gone| errno == Some(gone as i32))
}

/// Processes that were killed a moment ago may still hold the group.
fn remove_leaf(instance: &Instance, exec: ExecNumber) -> Result<(), Error> {
    for _ in 0..LOOKS {
        if matches!(instance.remove_leaf(LeafName::Exec(exec))?, Removal::Gone) {
            break;
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// Removes the groups of execs that have ended. One in which something was left running stays until its instance ends.
pub(super) fn sweep(ground: &Ground, spent: &[Spent]) -> Result<(), Refusal> {
    let remove = |spent: &Spent| -> Result<(), Error> {
        let instance = ground.tree.open_instance(spent.session, spent.instance)?;
        instance.map_or(Ok(()), |instance| remove_leaf(&instance, spent.exec))
    };
    let failed: Vec<String> =
        spent.iter().filter_map(|spent| Some(remove(spent).err()?.to_string())).collect();
    if failed.is_empty() { Ok(()) } else { Err(refused("remove groups of ended execs", &failed.join("; "))) }
}
