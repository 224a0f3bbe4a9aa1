//! One instance made by the runtime's library alone, without supervisor and serve, as strong or as weak as its spec says.
//!
//! For tests that must be programs of their own (`harness = false`): everything that clones must be single-threaded.

mod image;
mod output;
mod worker;

use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, lchown};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use oci_spec::runtime::Spec;
use sandlot_runtime::cgroup::{self, LeafName, Removal, Tree};
use sandlot_runtime::container::{self, JoinPlan, machine, reaper_program, userns};
use sandlot_runtime::init::{Identity, Program, Resources};
use sandlot_runtime::process::seccomp::{self, Filter};
use sandlot_runtime::rootfs::cgroup_tree::View;
use sandlot_runtime::rootfs::layers::{self, Layers};
use sandlot_runtime::spec::Plan;
use sandlot_runtime::supervisor::name::{Hostname, InstanceIndex, SessionNumber};
use sandlot_runtime::supervisor::protocol::{Command, Limits, Login, Machine};
use sandlot_runtime::sys::pidfd;

pub use image::Image;
pub use output::Output;

use crate::node::binary;
use crate::wait::{self, PATIENCE};

/// Ranges of their own, away from those of test nodes and of a node with the default base.
const IMAGE_BASE: u32 = 3_400_000_000;
const IDS: u32 = 65_536;

static NEXT: AtomicU32 = AtomicU32::new(1);

/// What makes an instance differ from what a session gets.
#[derive(Debug, Clone, Copy)]
pub struct Changes {
    /// To the request.
    pub machine: fn(&mut Machine),
    /// To the spec that comes of it.
    pub spec: fn(&mut Spec),
}

impl Default for Changes {
    fn default() -> Self {
        Self { machine: |_| {}, spec: |_| {} }
    }
}

/// A running instance.
#[derive(Debug)]
pub struct Instance {
    machine: Machine,
    plan: Plan,
    pid: Pid,
    pidfd: OwnedFd,
    cgroup: String,
    folder: tempfile::TempDir,
    first_id: u32,
}

/// What an instance gets unless changed.
fn ordinary_machine(image: &Image) -> Result<Machine> {
    Ok(Machine {
        index: index()?,
        hostname: Hostname::try_from("m1".to_owned())?,
        layers: vec![image.layer().clone()],
        limits: Limits {
            memory_bytes: 256 << 20,
            swap_bytes: 0,
            cpu_millis: 1000,
            pids: 100,
            disk_bytes: 1 << 30,
            io_bytes_per_second: None,
        },
        login: Login::Root,
        no_new_privileges: false,
        user_namespaces: false,
        net_admin: false,
    })
}

fn index() -> Result<InstanceIndex> {
    Ok(InstanceIndex::try_from(0)?)
}

fn session() -> Result<SessionNumber> {
    Ok(SessionNumber::try_from(1)?)
}

impl Instance {
    /// Starts an instance of an image. What was made for one that does not start is gone again.
    ///
    /// # Errors
    /// With the step that failed.
    pub fn start(image: &Image, changes: Changes) -> Result<Self> {
        nix::sys::prctl::set_child_subreaper(true)?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let first_id = IMAGE_BASE + number % 1000 * IDS;
        let mut machine = ordinary_machine(image)?;
        (changes.machine)(&mut machine);
        let mut spec = machine::spec_for(&machine)?;
        (changes.spec)(&mut spec);
        let plan = Plan::contained(&spec)?;
        let folder = writable_folder(first_id)?;
        let cgroup = format!("sandlot-test-{}-i{number}", std::process::id());
        Tree::open(&cgroup)?.create_instance(session()?, index()?, &machine.limits, None)?;
        match start_in_worker(image, &machine, &plan, folder.path(), first_id, &cgroup) {
            Ok((pid, pidfd)) => Ok(Self { machine, plan, pid, pidfd, cgroup, folder, first_id }),
            Err(error) => {
                remove_cgroup(&cgroup)?;
                Err(error)
            }
        }
    }

    /// Process id of pid 1 on the host.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    /// First host id of the session's range.
    pub fn first_id(&self) -> u32 {
        self.first_id
    }

    /// Its cgroup.
    ///
    /// # Errors
    /// When it is gone.
    pub fn cgroup(&self) -> Result<cgroup::Instance> {
        Tree::open(&self.cgroup)?.open_instance(session()?, index()?)?.context("the instance's cgroup")
    }

    /// Runs a program to its end.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(&self, argv: &[impl AsRef<str>]) -> Result<Output> {
        let argv = argv.iter().map(|part| part.as_ref().to_owned()).collect();
        self.spawn(&Command { argv, ..Command::default() })?.end()
    }

    /// Starts a program, of which nobody waits for the end yet.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, command: &Command) -> Result<output::Running> {
        let join = JoinPlan {
            command,
            login: self.machine.login,
            terminal: None,
            plan: &self.plan,
            filter: Some(default_filter()?),
        };
        let (_, descriptors) = worker::run(&[self.pidfd.as_fd()], |report| {
            let cgroup = worker::step(self.cgroup())?;
            let leaf = worker::step(cgroup.leaf(LeafName::Machine))?;
            let joined = container::join(&join, self.pidfd.as_fd(), Some(&leaf))?;
            let all: Vec<_> = [joined.pidfd.as_fd()]
                .into_iter()
                .chain(joined.descriptors.iter().map(AsFd::as_fd))
                .collect();
            report(joined.pid, &all)
        })?;
        output::Running::new(descriptors)
    }

    /// Ends pid 1 and with it everything, and removes the cgroup.
    ///
    /// # Errors
    /// When something stays behind.
    pub fn end(self) -> Result<()> {
        // An instance that has ended by itself needs no signal.
        let _ended = pidfd::send_signal(self.pidfd.as_fd(), Signal::SIGKILL);
        remove_cgroup(&self.cgroup)?;
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let folder = self.folder.path().display().to_string();
        ensure!(!mounts.contains(&folder), "a mount leaked into the host's namespace");
        Ok(())
    }
}

/// The usual filter, compiled once; the runtime compiles another one by itself where a plan has another profile.
fn default_filter() -> Result<&'static Filter> {
    static FILTER: OnceLock<Filter> = OnceLock::new();
    if let Some(filter) = FILTER.get() {
        return Ok(filter);
    }
    let filter = Filter::compile(&seccomp::docker_default(false)?)?.with_speculation();
    Ok(FILTER.get_or_init(|| filter))
}

/// The sealed copy of the reaper, made once.
fn reaper() -> Result<&'static OwnedFd> {
    static REAPER: OnceLock<OwnedFd> = OnceLock::new();
    if let Some(reaper) = REAPER.get() {
        return Ok(reaper);
    }
    let reaper = reaper_program::load(&binary("sandlot-oci")?)?;
    Ok(REAPER.get_or_init(|| reaper))
}

/// Where an instance writes.
fn writable_folder(first_id: u32) -> Result<tempfile::TempDir> {
    let folder = tempfile::Builder::new().prefix("sandlot-test-").tempdir()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    for name in ["upper", "work", "scratch"] {
        fs::create_dir(folder.path().join(name))?;
        lchown(folder.path().join(name), Some(first_id), Some(first_id))?;
    }
    Ok(folder)
}

fn start_in_worker(
    image: &Image,
    machine: &Machine,
    plan: &Plan,
    folder: &Path,
    first_id: u32,
    cgroup: &str,
) -> Result<(Pid, OwnedFd)> {
    let userns = userns::create(first_id, IDS)?;
    let reaper = reaper()?;
    let filter = default_filter()?;
    let (pid, mut descriptors) = worker::run(&[userns.as_fd(), reaper.as_fd()], |report| {
        let idmap = userns::create_idmap(IMAGE_BASE, first_id, IDS)?;
        let layers_folder = worker::step(File::open(image.layers_folder()))?;
        let rootfs = layers::mount(&Layers {
            folder: layers_folder.as_fd(),
            layers: &machine.layers,
            idmap: idmap.as_fd(),
            upper: &folder.join("upper"),
            work: &folder.join("work"),
            scratch: &folder.join("scratch"),
        })?;
        let tree = worker::step(Tree::open(cgroup))?;
        let instance =
            worker::step(session().and_then(|session| Ok(tree.open_instance(session, machine.index)?)))?;
        let leaf = worker::step(instance.context("cgroup").and_then(|i| Ok(i.leaf(LeafName::Machine)?)))?;
        let started = container::start(
            plan,
            &Resources {
                userns: Some(userns.as_fd()),
                rootfs: Some(rootfs.as_fd()),
                group: Some(&leaf),
                program: Program::Held(reaper.as_fd()),
                filter: Some(filter),
                identity: Some(Identity {
                    hostname: &machine.hostname,
                    login: machine.login,
                    address: None,
                    resolv: None,
                }),
                cgroup_view: &View::of_machine(),
                ..Resources::bare()
            },
        )?;
        report(started.pid, &[started.pidfd.as_fd()])
    })?;
    ensure!(descriptors.len() == 1, "the worker sent {} descriptors", descriptors.len());
    Ok((pid, descriptors.remove(0)))
}

fn remove_cgroup(name: &str) -> Result<()> {
    let tree = Tree::open(name)?;
    tree.kill_session(session()?)?;
    wait::until("the end of the cgroup", PATIENCE, || {
        worker::reap();
        matches!(Tree::remove(name), Ok(Removal::Gone)).then_some(())
    })
}
