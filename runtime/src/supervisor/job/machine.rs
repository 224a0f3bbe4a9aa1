//! From a machine's description to its running pid 1, for all instances of a session or for one again.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::switch::{Switch, Way, port, unplug};
use super::{refused, refused_step};
use crate::archive::made::Made;
use crate::cgroup::{Instance, LeafName};
use crate::container::{self, Attendant, Started, machine, userns, worker};
use crate::disk::{self, Attached, Ready};
use crate::failure::Failure;
use crate::init::{Identity, Program, Resources};
use crate::net::plan;
use crate::net::port::Port;
use crate::rootfs::cgroup_tree::View;
use crate::rootfs::layers::{self, Layers};
use crate::spec::{MountPlan, Plan};
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
    (switch, way): (Switch<'_>, Option<Way<'_>>),
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
    way.iter().for_each(|way| way.clear(ground));
    let switch = switch.open(ground, reporter)?;
    let switch = switch.as_ref().map(AsFd::as_fd);
    if let Some((way, switch)) = way.zip(switch) {
        way.open(ground, session, switch)?;
    }
    let keep: Vec<_> = [userns.as_fd(), reporter.as_fd()].into_iter().chain(mounts).chain(switch).collect();
    isolate(ground, &keep, &operation)?;
    let (userns, beside) = (userns.as_fd(), &Beside::default());
    let starting = |machine| Starting { ground, session, machine, userns, switch, reporter, beside };
    machines.iter().try_for_each(|machine| starting(machine).start(ready(machine)))
}

/// What a machine has beside its layers.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// Mounts after all others; those that were made outside already, with their descriptors.
    pub(super) mounts: Vec<(MountPlan, Option<OwnedFd>)>,
    /// Content of its `/etc/resolv.conf`, if it shares the host's network.
    pub(super) host_network: Option<String>,
}

/// An instance's folder with its disk, and its group with its limits.
pub(super) fn make_place(
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
    (userns, switch): (BorrowedFd<'_>, Switch<'_>),
    old: Option<BorrowedFd<'_>>,
    reporter: &Reporter,
) -> Result<(), Refusal> {
    let operation = format!("reboot instance {} of session {session}", machine.index);
    if let Some(old) = old {
        end_politely(old).map_err(|errno| refused(&operation, &errno))?;
    }
    kill_rest(ground, session, machine.index).map_err(|error| refused(&operation, &error))?;
    let switch = switch.open(ground, reporter)?;
    let switch = switch.as_ref().map(AsFd::as_fd);
    if let Some(switch) = switch {
        unplug(ground, switch, machine.index)?;
    }
    let keep: Vec<_> = [userns, reporter.as_fd()].into_iter().chain(switch).collect();
    isolate(ground, &keep, &operation)?;
    Starting { ground, session, machine, userns, switch, reporter, beside: &Beside::default() }.start(None)
}

/// Asks pid 1 to end, and kills it when it has not in time.
pub(super) fn end_politely(init: BorrowedFd<'_>) -> Result<(), nix::Error> {
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

pub(super) fn kill_rest(
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

/// One machine that is to run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Starting<'a> {
    pub(super) ground: &'a Ground,
    pub(super) session: SessionNumber,
    pub(super) machine: &'a Machine,
    pub(super) userns: BorrowedFd<'a>,
    /// The network namespace of the session's switch.
    pub(super) switch: Option<BorrowedFd<'a>>,
    pub(super) reporter: &'a Reporter,
    pub(super) beside: &'a Beside,
}

impl Starting<'_> {
    fn operation(&self) -> String {
        format!("start instance {} of session {}", self.machine.index, self.session)
    }

    fn folder(&self) -> PathBuf {
        self.ground.instance_dir(self.session, self.machine.index)
    }

    /// Attaches the disk and starts pid 1.
    pub(super) fn start(&self, ready: Option<&Ready>) -> Result<(), Refusal> {
        let (driver, folder) = (&self.ground.driver, self.folder());
        let attached = match ready {
            Some(ready) => driver.attach_ready(ready, &folder, self.ground.node.first_id(self.session)),
            None => driver.attach(&folder),
        };
        self.start_over(&attached.map_err(|error| refused(&self.operation(), &error))?)
    }

    /// Starts pid 1 over a disk that is attached.
    pub(super) fn start_over(&self, disk: &Attached) -> Result<(), Refusal> {
        let operation = self.operation();
        let group = open_group(self.ground, self.session, self.machine.index, &operation)?;
        let started = self.start_in(disk, &group, &operation)?;
        note_made(&self.folder(), disk).map_err(|error| refused(&operation, &error))?;
        let report = Report::Instance { index: self.machine.index, pid: started.pid.as_raw() };
        tell(self.reporter, &report, started.pidfd.as_fd())
    }

    fn start_in(&self, disk: &Attached, group: &Instance, operation: &str) -> Result<Started, Refusal> {
        let Self { ground, session, machine, .. } = *self;
        let step = |error| refused_step(operation, &error);
        let node = &ground.node;
        let idmap =
            userns::create_idmap(node.uid_base, node.first_id(session), IDS_PER_SESSION).map_err(step)?;
        let folder = File::open(node.layers_dir()).map_err(|error| refused(operation, &error))?;
        let rootfs = layers::mount(&Layers {
            folder: folder.as_fd(),
            layers: &machine.layers,
            idmap: idmap.as_fd(),
            upper: &disk.upper,
            work: &disk.work,
            scratch: &self.folder().join("scratch"),
        })
        .map_err(step)?;
        let leaf = group.leaf(LeafName::Machine).map_err(|error| refused(operation, &error))?;
        let (plan, sources) = plan_beside(machine, self.beside, operation)?;
        let resolv = self.resolv();
        let resources = Resources {
            userns: Some(self.userns),
            rootfs: Some(rootfs.as_fd()),
            group: Some(&leaf),
            program: Program::Held(ground.reaper.as_fd()),
            filter: ground.filter(machine),
            identity: Some(Identity {
                hostname: &machine.hostname,
                login: machine.login,
                address: self.switch.map(|_| plan::of(machine.index).v4),
                resolv: resolv.as_deref(),
            }),
            sources: &sources,
            cgroup_view: &View::of_machine(),
            ..Resources::bare()
        };
        let port = self.switch.map(|switch| port(ground, switch, machine.index));
        container::attended(&plan, &resources, &Plugging(port)).map_err(step)
    }

    /// The switch answers for names; a machine that shares the host's network asks whom the host asks.
    fn resolv(&self) -> Option<String> {
        let switch = || format!("nameserver {}\n", plan::SWITCH.v4);
        self.beside.host_network.clone().or_else(|| self.switch.map(|_| switch()))
    }
}

/// Plugs the instance in while its pid 1 sets itself up.
struct Plugging<'a>(Option<Port<'a>>);

impl Attendant for Plugging<'_> {
    fn admitted(&self, pid: Pid) -> Result<(), Failure> {
        self.0.map_or(Ok(()), |port| port.plug(pid))
    }
}

/// The plan with what is beside the layers, and the mounts that were made for it, by their numbers.
fn plan_beside(
    machine: &Machine,
    beside: &Beside,
    operation: &str,
) -> Result<(Plan, Vec<Option<OwnedFd>>), Refusal> {
    let mut plan = plan_for(machine, operation)?;
    if beside.host_network.is_some() {
        plan.share_network();
    }
    let mut sources: Vec<Option<OwnedFd>> = plan.mounts().iter().map(|_| None).collect();
    for (mount, source) in &beside.mounts {
        let source = source.as_ref().map(OwnedFd::try_clone).transpose();
        sources.push(source.map_err(|error| refused(operation, &error))?);
        plan.add_mount(mount.clone());
    }
    Ok((plan, sources))
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
pub(super) fn refused_disk(operation: &str, error: &disk::Error) -> Refusal {
    let refusal = refused(operation, error);
    match error {
        disk::Error::NearlyFull { .. } => {
            let message = format!("{operation}: the node's disk is nearly full");
            Refusal { kind: RefusalKind::Full, message, ..refusal }
        }
        _ => refusal,
    }
}

pub(super) fn make_folder(path: &Path) -> std::io::Result<()> {
    match fs::DirBuilder::new().mode(0o711).create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

pub(super) fn tell(reporter: &Reporter, report: &Report, descriptor: BorrowedFd<'_>) -> Result<(), Refusal> {
    reporter.send(report, &[descriptor]).map_err(|error| refused("report", &error))
}
