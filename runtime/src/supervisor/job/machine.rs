//! From a machine's description to its running pid 1, for all instances of a session or for one again.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use super::{refused, refused_step};
use crate::archive::made::Made;
use crate::cgroup::{Instance, LeafName};
use crate::container::{self, Started, machine, userns, worker};
use crate::disk::{self, Attached, Ready};
use crate::init::{Identity, Program, Resources};
use crate::rootfs::cgroup_tree::View;
use crate::rootfs::layers::{self, Layers};
use crate::spec::Plan;
use crate::supervisor::ground::Ground;
use crate::supervisor::name::{InstanceIndex, SessionNumber};
use crate::supervisor::node::IDS_PER_SESSION;
use crate::supervisor::protocol::{Machine, Refusal, RefusalKind};
use crate::supervisor::worker::{Report, Reporter};
use crate::sys::pidfd;

/// Between being asked to end and being killed, in milliseconds.
const GRACE_MS: u16 = 1000;
/// Between two looks at the dying.
const LOOK: std::time::Duration = std::time::Duration::from_millis(2);

/// Makes the session's user namespace and starts its instances in their order.
pub(super) fn start_session(
    ground: &Ground,
    session: SessionNumber,
    machines: &[Machine],
    disks: Vec<(InstanceIndex, Ready)>,
    reporter: &Reporter,
) -> Result<(), Refusal> {
    let operation = format!("start session {session}");
    let ready = |machine: &Machine| {
        let found = disks.iter().find(|(index, _)| *index == machine.index);
        found.map(|(_, disk)| disk)
    };
    make_folder(&ground.session_dir(session)).map_err(|error| refused(&operation, &error))?;
    machines.iter().try_for_each(|machine| make_place(ground, session, machine, ready(machine)))?;
    let userns = userns::create(ground.node.first_id(session), IDS_PER_SESSION)
        .map_err(|error| refused_step(&operation, &error))?;
    tell(reporter, &Report::Userns, userns.as_fd())?;
    let mounts = disks.iter().map(|(_, disk)| disk.mount());
    let keep: Vec<_> = [userns.as_fd(), reporter.as_fd()].into_iter().chain(mounts).collect();
    isolate(ground, &keep, &operation)?;
    let start_one = |machine| start(ground, session, machine, ready(machine), userns.as_fd(), reporter);
    machines.iter().try_for_each(start_one)
}

/// An instance's folder with its disk, and its group with its limits.
fn make_place(
    ground: &Ground,
    session: SessionNumber,
    machine: &Machine,
    ready: Option<&Ready>,
) -> Result<(), Refusal> {
    let operation = format!("make room for instance {} of session {session}", machine.index);
    let folder = ground.instance_dir(session, machine.index);
    make_folder(&folder)
        .and_then(|()| make_folder(&folder.join("scratch")))
        .map_err(|error| refused(&operation, &error))?;
    let (driver, owner) = (&ground.driver, ground.node.first_id(session));
    match ready {
        Some(ready) => driver.take(ready, &folder, owner),
        None => driver.create(&folder, machine.limits.disk_bytes, owner),
    }
    .map_err(|error| refused_disk(&operation, &error))?;
    let made = ground.tree.create_instance(session, machine.index, &machine.limits, ground.driver.device());
    made.map(drop).map_err(|error| refused(&operation, &error))
}

fn open_group(
    ground: &Ground,
    session: SessionNumber,
    index: InstanceIndex,
    operation: &str,
) -> Result<Instance, Refusal> {
    let group = ground.tree.open_instance(session, index).map_err(|error| refused(operation, &error))?;
    group.ok_or_else(|| Refusal::failed(operation, nix::errno::Errno::ENOENT))
}

/// Ends an instance's processes and starts it over the same files.
pub(super) fn reboot(
    ground: &Ground,
    session: SessionNumber,
    machine: &Machine,
    userns: BorrowedFd<'_>,
    old: Option<BorrowedFd<'_>>,
    reporter: &Reporter,
) -> Result<(), Refusal> {
    let operation = format!("reboot instance {} of session {session}", machine.index);
    if let Some(old) = old {
        end_politely(old).map_err(|errno| refused(&operation, &errno))?;
    }
    kill_rest(ground, session, machine.index).map_err(|error| refused(&operation, &error))?;
    isolate(ground, &[userns, reporter.as_fd()], &operation)?;
    start(ground, session, machine, None, userns, reporter)
}

/// Asks pid 1 to end, and kills it when it has not in time.
fn end_politely(init: BorrowedFd<'_>) -> Result<(), nix::Error> {
    for (signal, patience) in
        [(Signal::SIGTERM, PollTimeout::from(GRACE_MS)), (Signal::SIGKILL, PollTimeout::NONE)]
    {
        match pidfd::send_signal(init, signal) {
            Err(nix::Error::ESRCH) => return Ok(()),
            sent => sent?,
        }
        if poll(&mut [PollFd::new(init, PollFlags::POLLIN)], patience)? > 0 {
            return Ok(());
        }
    }
    Ok(())
}

fn kill_rest(
    ground: &Ground,
    session: SessionNumber,
    index: InstanceIndex,
) -> Result<(), crate::cgroup::Error> {
    let Some(instance) = ground.tree.open_instance(session, index)? else { return Ok(()) };
    while !instance.is_empty()? {
        instance.kill()?;
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// A mount namespace of its own: whatever is mounted from here on goes with this worker and the instances.
pub(super) fn isolate(ground: &Ground, given: &[BorrowedFd<'_>], operation: &str) -> Result<(), Refusal> {
    let keep: Vec<_> = given.iter().copied().chain(ground.descriptors()).collect();
    worker::isolate(&keep).map_err(|error| refused_step(operation, &error))
}

fn start(
    ground: &Ground,
    session: SessionNumber,
    machine: &Machine,
    ready: Option<&Ready>,
    userns: BorrowedFd<'_>,
    reporter: &Reporter,
) -> Result<(), Refusal> {
    let operation = format!("start instance {} of session {session}", machine.index);
    let folder = ground.instance_dir(session, machine.index);
    let attached = match ready {
        Some(ready) => ground.driver.attach_ready(ready, &folder, ground.node.first_id(session)),
        None => ground.driver.attach(&folder),
    };
    let disk = attached.map_err(|error| refused(&operation, &error))?;
    let group = open_group(ground, session, machine.index, &operation)?;
    let started = start_in(ground, session, machine, userns, &disk, &group, &operation)?;
    note_made(&folder, &disk).map_err(|error| refused(&operation, &error))?;
    let report = Report::Instance { index: machine.index, pid: started.pid.as_raw() };
    tell(reporter, &report, started.pidfd.as_fd())
}

fn start_in(
    ground: &Ground,
    session: SessionNumber,
    machine: &Machine,
    userns: BorrowedFd<'_>,
    disk: &Attached,
    group: &Instance,
    operation: &str,
) -> Result<Started, Refusal> {
    let step = |error| refused_step(operation, &error);
    let node = &ground.node;
    let idmap = userns::create_idmap(node.uid_base, node.first_id(session), IDS_PER_SESSION).map_err(step)?;
    let folder = File::open(node.layers_dir()).map_err(|error| refused(operation, &error))?;
    let scratch = ground.instance_dir(session, machine.index).join("scratch");
    let rootfs = layers::mount(&Layers {
        folder: folder.as_fd(),
        layers: &machine.layers,
        idmap: idmap.as_fd(),
        upper: &disk.upper,
        work: &disk.work,
        scratch: &scratch,
    })
    .map_err(step)?;
    let leaf = group.leaf(LeafName::Machine).map_err(|error| refused(operation, &error))?;
    let plan = plan_for(machine, operation)?;
    let resources = Resources {
        userns: Some(userns),
        rootfs: Some(rootfs.as_fd()),
        group: Some(&leaf),
        program: Program::Held(ground.reaper.as_fd()),
        filter: ground.filter(machine),
        identity: Some(Identity { hostname: &machine.hostname, login: machine.login }),
        cgroup_view: &View::of_machine(),
        ..Resources::bare()
    };
    container::start(&plan, &resources).map_err(step)
}

/// Writes down what the first start has made, before anybody else is inside.
fn note_made(folder: &Path, disk: &Attached) -> std::io::Result<()> {
    if Made::is_written(folder) {
        return Ok(());
    }
    Made::look(File::open(&disk.upper)?.as_fd())?.write(folder)
}

/// The validated plan of a machine.
pub(super) fn plan_for(machine: &Machine, operation: &str) -> Result<Plan, Refusal> {
    let spec = machine::spec_for(machine).map_err(|error| refused(operation, &error))?;
    Plan::contained(&spec).map_err(|error| refused(operation, &error))
}

/// A full node says so; anything else is its own affair.
fn refused_disk(operation: &str, error: &disk::Error) -> Refusal {
    let refusal = refused(operation, error);
    match error {
        disk::Error::NearlyFull { .. } => {
            let message = format!("{operation}: the node's disk is nearly full");
            Refusal { kind: RefusalKind::Full, message, ..refusal }
        }
        _ => refusal,
    }
}

fn make_folder(path: &Path) -> std::io::Result<()> {
    match fs::DirBuilder::new().mode(0o711).create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn tell(reporter: &Reporter, report: &Report, descriptor: BorrowedFd<'_>) -> Result<(), Refusal> {
    reporter.send(report, &[descriptor]).map_err(|error| refused("report", &error))
}
