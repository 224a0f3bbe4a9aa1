//! From a plan and what was made for it to a process that runs the steps of `init`.
//!
//! Where every namespace is new and none is a user namespace, one clone makes them all. Otherwise a short-lived process,
//! the entrance, joins what is to be joined and clones from there, as a child of the caller.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{Pid, fchdir, geteuid};

use super::undo::Unfinished;
use crate::cgroup::Seat;
use crate::failure::{Failure, StepError, during};
use crate::init::{ChildEnd, Group, ParentEnd, Report, Resources, STEPS, Stage, not_added, pair};
use crate::process::user;
use crate::spec::{CLONE_NEWTIME, Plan};
use crate::sys::clone::{Cloned, clone, exit_now};
use crate::sys::pidfd;

const STEP: &str = "start pid 1";

/// What the runtime does outside while the process sets itself up inside.
pub trait Attendant {
    /// How long the process may be silent.
    fn patience(&self) -> Duration {
        // The set-up takes milliseconds; whatever takes this long hangs.
        Duration::from_secs(20)
    }

    /// Writes the id maps of the user namespace that `entrance` has made.
    ///
    /// # Errors
    /// When they cannot be written.
    fn write_maps(&self, _entrance: Pid) -> Result<(), Failure> {
        Err(during("write id maps")(Errno::EPROTO))
    }

    /// The process exists, is in its cgroup, and waits.
    ///
    /// # Errors
    /// When it must not go on.
    fn admitted(&self, _pid: Pid) -> Result<(), Failure> {
        Ok(())
    }

    /// Runs the hooks of the runtime's namespaces.
    ///
    /// # Errors
    /// When one of them failed.
    fn run_hooks(&self, _pid: Pid) -> Result<(), Failure> {
        Err(during("run hooks")(Errno::EPROTO))
    }

    /// Takes the notifications of the system call filter.
    ///
    /// # Errors
    /// When they cannot be handed on.
    fn take_listener(&self, _pid: Pid, _listener: OwnedFd) -> Result<(), Failure> {
        Err(during("take the filter's notifications")(Errno::EPROTO))
    }
}

/// The worker of a session: it has nothing to add.
pub(super) struct Worker;

impl Attendant for Worker {}

/// A process that is on its way through the steps.
#[derive(Debug)]
pub(super) struct Launched {
    pub(super) pid: Pid,
    pub(super) process: Unfinished,
    parent: ParentEnd,
}

/// Clones the first process of a container, and lets it go once it is in its cgroup.
pub(super) fn launch(
    plan: &Plan,
    resources: &Resources<'_>,
    attendant: &dyn Attendant,
) -> Result<Launched, StepError> {
    let outside = |failure| StepError::new(STEP, failure);
    let (parent, child) = pair().map_err(during("make a socket pair")).map_err(outside)?;
    let into = resources.group.and_then(Group::clone_into_fd);
    let seats = seats(resources.group).map_err(outside)?;
    let launched = if needs_entrance(plan, resources) {
        let joined = open_joined(plan).map_err(outside)?;
        match clone(CloneFlags::empty(), into).map_err(during("clone the entrance")).map_err(outside)? {
            Cloned::Child => {
                drop(parent);
                enter(plan, resources, &joined, seats, child)
            }
            Cloned::Parent(pid, entrance) => {
                drop(child);
                let entrance = (pid, Unfinished::new(entrance));
                let (pid, process) = receive_pid(&parent, entrance, attendant)?;
                Launched { pid, process, parent }
            }
        }
    } else {
        enter_root(resources).map_err(outside)?;
        let namespaces = plan.namespaces().new.difference(CloneFlags::CLONE_NEWCGROUP);
        match clone(namespaces, into).map_err(during("clone into new namespaces")).map_err(outside)? {
            Cloned::Child => {
                drop(parent);
                run(plan, resources, seats, child)
            }
            Cloned::Parent(pid, pidfd) => Launched { pid, process: Unfinished::new(pidfd), parent },
        }
    };
    launched.admit(resources, attendant).map_err(outside)?;
    Ok(launched)
}

impl Launched {
    pub(super) fn new(pid: Pid, process: Unfinished, parent: ParentEnd) -> Self {
        Self { pid, process, parent }
    }

    pub(super) fn admit(&self, resources: &Resources<'_>, attendant: &dyn Attendant) -> Result<(), Failure> {
        admit(self.pid, resources.group)?;
        attendant.admitted(self.pid)?;
        self.parent.go().map_err(during("let the process go on"))
    }

    /// Attends to the process until it has executed its program, or is held back before that. On failure it is killed.
    pub(super) fn attend(self, attendant: &dyn Attendant) -> Result<(Pid, Option<OwnedFd>), StepError> {
        let outside = |failure| StepError::new(STEP, failure);
        loop {
            let report = self.parent.receive(Instant::now() + attendant.patience());
            match report.map_err(during("wait for the program")).map_err(outside)? {
                // Killed before exec, such as at a memory limit, looks the same on the socket.
                Report::Closed if self.process.was_killed_before_exec() => {
                    return Err(outside(
                        during("wait for the program: it was killed, as at a memory limit")(Errno::ECHILD),
                    ));
                }
                Report::Closed => return Ok((self.pid, self.process.finish())),
                Report::Failed(error) => return Err(error),
                Report::Hooks => attendant.run_hooks(self.pid).map_err(outside)?,
                Report::Listener(number) => {
                    let listener = self.process.take_descriptor(number);
                    let listener =
                        listener.map_err(during("take the filter's notifications")).map_err(outside)?;
                    attendant.take_listener(self.pid, listener).map_err(outside)?;
                }
                Report::Pid(_) | Report::Ready(_) | Report::Maps => {
                    return Err(outside(during("wait for the program")(Errno::EPROTO)));
                }
            }
            self.parent.go().map_err(during("let the process go on")).map_err(outside)?;
        }
    }
}

fn needs_entrance(plan: &Plan, resources: &Resources<'_>) -> bool {
    let namespaces = plan.namespaces();
    let by_steps = CloneFlags::CLONE_NEWUSER.union(CLONE_NEWTIME);
    resources.userns.is_some() || !namespaces.joined.is_empty() || namespaces.new.intersects(by_steps)
}

/// The working directory leads the way to the root in the new mount namespace; a descriptor would not.
fn enter_root(resources: &Resources<'_>) -> Result<(), Failure> {
    resources.rootfs.map_or(Ok(()), |rootfs| fchdir(rootfs).map_err(during("enter the root")))
}

/// All at once: after the first is entered the paths of the others may lead elsewhere.
fn open_joined(plan: &Plan) -> Result<Vec<(CloneFlags, File)>, Failure> {
    let open = |(kind, path): &(CloneFlags, std::path::PathBuf)| {
        let what = format!("lstat {}", path.display());
        let file = File::open(path).map_err(|error| {
            during(what)(Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32)))
        })?;
        Ok((*kind, file))
    };
    plan.namespaces().joined.iter().map(open).collect()
}

/// Waits for the id of the process that the entrance clones.
pub(super) fn receive_pid(
    parent: &ParentEnd,
    (entrance_pid, entrance): (Pid, Unfinished),
    attendant: &dyn Attendant,
) -> Result<(Pid, Unfinished), StepError> {
    let outside = |errno| StepError::new(STEP, during("wait for the entrance")(errno));
    let receive = || parent.receive(Instant::now() + attendant.patience()).map_err(outside);
    let started = loop {
        match receive()? {
            Report::Pid(pid) => break watch(pid).map_err(outside)?,
            Report::Maps => {
                attendant.write_maps(entrance_pid).map_err(|failure| StepError::new(STEP, failure))?;
                parent.go().map_err(outside)?;
            }
            // The process may fail before the entrance has told its id: it must not be left behind.
            Report::Failed(error) => {
                if let Ok(Report::Pid(pid)) = receive() {
                    drop(watch(pid).map_err(outside)?);
                }
                return Err(error);
            }
            Report::Closed => return Err(outside(Errno::ECHILD)),
            Report::Ready(_) | Report::Hooks | Report::Listener(_) => return Err(outside(Errno::EPROTO)),
        }
    };
    entrance.wait();
    Ok(started)
}

fn watch(pid: Pid) -> Result<(Pid, Unfinished), Errno> {
    // It is a child of this process that nobody has waited for, so the id is still its own.
    Ok((pid, Unfinished::new(pidfd::open(pid)?)))
}

/// Where the process will move itself in.
pub(super) fn seats(group: Option<&dyn Group>) -> Result<Vec<Seat>, Failure> {
    group.map_or(Ok(Vec::new()), Group::seats).map_err(not_added)
}

/// Moves a waiting process into its cgroup, where it was not cloned there and does not move itself.
fn admit(pid: Pid, group: Option<&dyn Group>) -> Result<(), Failure> {
    let Some(group) = group else { return Ok(()) };
    group.admit(pid).map_err(|error| Failure {
        message: format!("error adding pid {pid} to cgroups: {error}"),
        errno: Errno::UnknownErrno,
    })
}

fn run(plan: &Plan, resources: &Resources<'_>, seats: Vec<Seat>, sync: ChildEnd) -> ! {
    Stage::new(plan, resources, seats, sync).run(STEPS);
    exit_now(255)
}

/// The entrance: enters namespaces and clones the first process from there, so that the user namespace owns all others.
fn enter(
    plan: &Plan,
    resources: &Resources<'_>,
    joined: &[(CloneFlags, File)],
    seats: Vec<Seat>,
    sync: ChildEnd,
) -> ! {
    match enter_and_clone(plan, resources, joined, &sync) {
        Ok(Cloned::Child) => run(plan, resources, seats, sync),
        Ok(Cloned::Parent(pid, _)) => exit_now(i32::from(sync.send_pid(pid).is_err())),
        Err(failure) => {
            // If the worker is gone nobody needs to hear it.
            let _unheard = sync.send_failure(&StepError::new("enter the namespaces", failure));
            exit_now(1)
        }
    }
}

fn enter_and_clone(
    plan: &Plan,
    resources: &Resources<'_>,
    joined: &[(CloneFlags, File)],
    sync: &ChildEnd,
) -> Result<Cloned, Failure> {
    let namespaces = plan.namespaces();
    enter_root(resources)?;
    join(joined)?;
    if let Some(userns) = resources.userns {
        setns(userns, CloneFlags::CLONE_NEWUSER).map_err(during("enter the user namespace"))?;
    }
    if namespaces.is_new(CloneFlags::CLONE_NEWUSER) {
        unshare(CloneFlags::CLONE_NEWUSER).map_err(during("unshare the user namespace"))?;
        sync.ask_for_maps().map_err(during("wait for the id maps"))?;
    }
    if resources.userns.is_some() || namespaces.has(CloneFlags::CLONE_NEWUSER) {
        // Before the clone: what the new namespaces hold from their start belongs to whoever makes them.
        let groups = resources.sets_groups.then_some([].as_slice());
        user::become_user(0, 0, groups).map_err(during("become user 0"))?;
    }
    if namespaces.is_new(CLONE_NEWTIME) {
        unshare(CLONE_NEWTIME).map_err(during("unshare the time namespace"))?;
        set_clocks(&plan.time_offsets)?;
    }
    let by_steps = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWCGROUP | CLONE_NEWTIME;
    let new = namespaces.new.difference(by_steps) | CloneFlags::CLONE_PARENT;
    clone(new, None).map_err(during("clone into new namespaces"))
}

/// Host root joins with the power it has there, the user namespace last; everybody else has power only within it.
fn join(joined: &[(CloneFlags, File)]) -> Result<(), Failure> {
    let user = CloneFlags::CLONE_NEWUSER;
    let mut order: Vec<&(CloneFlags, File)> = joined.iter().collect();
    order.sort_by_key(|(kind, _)| (*kind == user) == geteuid().is_root());
    for (kind, file) in order {
        setns(file.as_fd(), *kind).map_err(during(format!("join a namespace of kind {:#x}", kind.bits())))?;
    }
    Ok(())
}

/// Only before the first process is in the namespace (time_namespaces(7)).
fn set_clocks(offsets: &[String]) -> Result<(), Failure> {
    if offsets.is_empty() {
        return Ok(());
    }
    let write = std::fs::write("/proc/self/timens_offsets", offsets.join("\n"));
    write.map_err(|error| {
        during("set the clocks' offsets")(Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32)))
    })
}
