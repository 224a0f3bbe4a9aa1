//! A machine for a test: a busybox layer, a writable folder, a user namespace, a cgroup, and its pid 1.

#[path = "image.rs"]
mod image;
#[path = "in_worker.rs"]
mod in_worker;
#[path = "output.rs"]
mod output;

use std::cell::Cell;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use oci_spec::runtime::Spec;
use sandlot_runtime::cgroup::{Instance, LeafName, Removal, Role, Tree};
use sandlot_runtime::container::{self, JoinPlan, Joined, machine, userns};
use sandlot_runtime::init::{Identity, Program, Resources};
use sandlot_runtime::process::seccomp::{Filter, docker_default};
use sandlot_runtime::rootfs::cgroup_tree::View;
use sandlot_runtime::rootfs::layers::{self, Layers};
use sandlot_runtime::spec::Plan;
use sandlot_runtime::supervisor::name::{DiffId, Hostname, InstanceIndex, SessionNumber};
use sandlot_runtime::supervisor::protocol::{self, Command, Limits, Login, Winsize};
use sandlot_runtime::sys::pidfd;
use tempfile::TempDir;

use image::{busybox_layer, own};
use in_worker::in_worker;
pub(crate) use output::wait;
use output::{Terminal, read_all};

/// Ranges of their own, away from a node that may run beside the tests.
pub(crate) const IMAGE_BASE: u32 = 3_000_000_000;
pub(crate) const SESSION_BASE: u32 = IMAGE_BASE + 65_536;
const IDS: u32 = 65_536;
const PATIENCE: Duration = Duration::from_secs(20);

static NEXT: AtomicU32 = AtomicU32::new(0);

pub(crate) fn require_root() {
    assert!(nix::unistd::geteuid().is_root(), "these tests need root: run them with sudo");
    nix::sys::prctl::set_child_subreaper(true).unwrap();
}

pub(crate) struct Machine {
    pub(crate) machine: protocol::Machine,
    spec: Spec,
    pub(crate) plan: Plan,
    pub(crate) pidfd: OwnedFd,
    /// Time from the fork of the worker to the exec of pid 1.
    pub(crate) took: Duration,
    ended: Cell<bool>,
    cgroup: Option<Instance>,
    tree: String,
    folder: Rc<TempDir>,
}

#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// What a machine is made of, before it is started.
pub(crate) struct Draft {
    pub(crate) machine: protocol::Machine,
    pub(crate) spec: Spec,
    folder: TempDir,
}

impl Draft {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let layer = DiffId::try_from("a".repeat(64)).unwrap();
        busybox_layer(&folder.path().join("layers").join(layer.as_hex()));
        for name in ["upper", "work", "scratch"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        for name in ["upper", "work"] {
            lchown(folder.path().join(name), Some(SESSION_BASE), Some(SESSION_BASE)).unwrap();
        }
        let machine = description(vec![layer]);
        let spec = machine::spec_for(&machine).unwrap();
        Self { machine, spec, folder }
    }

    /// Changes the description, from which the spec is made anew.
    pub(crate) fn describe(mut self, change: impl FnOnce(&mut protocol::Machine)) -> Self {
        change(&mut self.machine);
        self.spec = machine::spec_for(&self.machine).unwrap();
        self
    }

    /// Changes the spec alone: a machine that serve could not ask for.
    pub(crate) fn respec(mut self, change: impl FnOnce(&mut Spec)) -> Self {
        change(&mut self.spec);
        self
    }

    /// Changes the unpacked image, which then belongs to the image range again.
    pub(crate) fn image(self, change: impl FnOnce(&Path)) -> Self {
        change(&self.tree());
        own(&self.tree());
        self
    }

    /// Makes a file of the image setuid root.
    pub(crate) fn mark_setuid(&self, file: &str) {
        let path = self.tree().join(file);
        fs::set_permissions(path, fs::Permissions::from_mode(0o4755)).unwrap();
    }

    /// Adds layers of one marking file each; returns their names.
    pub(crate) fn add_empty_layers(&self, count: usize) -> Vec<DiffId> {
        let name = |number: usize| DiffId::try_from(format!("{number:064x}")).unwrap();
        for layer in (0..count).map(name) {
            let tree = self.folder.path().join("layers").join(layer.as_hex());
            fs::create_dir_all(tree.join("marks")).unwrap();
            fs::write(tree.join("marks").join(layer.as_hex()), "").unwrap();
            own(&tree);
        }
        (0..count).map(name).collect()
    }

    fn tree(&self) -> PathBuf {
        self.folder.path().join("layers").join("a".repeat(64))
    }

    pub(crate) fn start(self) -> Result<Machine, String> {
        Machine::start(self.machine, &self.spec, Rc::new(self.folder))
    }
}

impl Machine {
    pub(crate) fn new() -> Self {
        Draft::new().start().unwrap()
    }

    fn start(machine: protocol::Machine, spec: &Spec, folder: Rc<TempDir>) -> Result<Self, String> {
        let tree_name =
            format!("sandlot-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let tree = Tree::open(&tree_name).unwrap();
        tree.adopt(Role::Supervisor, 0).unwrap();
        let session = SessionNumber::try_from(1).unwrap();
        let cgroup = tree
            .create_instance(session, InstanceIndex::try_from(0).unwrap(), &machine.limits, None)
            .unwrap();
        let userns = userns::create(SESSION_BASE, IDS).map_err(|error| error.to_string())?;
        let plan = Plan::contained(spec).unwrap();
        let reaper = reaper();
        filter();
        let begin = Instant::now();
        let started = in_worker(&[userns.as_fd(), reaper], |report| {
            let idmap = userns::create_idmap(IMAGE_BASE, SESSION_BASE, IDS)?;
            let layers_folder = File::open(folder.path().join("layers")).unwrap();
            let rootfs = layers::mount(&Layers {
                folder: layers_folder.as_fd(),
                layers: &machine.layers,
                idmap: idmap.as_fd(),
                upper: &folder.path().join("upper"),
                work: &folder.path().join("work"),
                scratch: &folder.path().join("scratch"),
            })?;
            let tree = Tree::open(&tree_name).unwrap();
            let instance = tree.open_instance(session, InstanceIndex::try_from(0).unwrap()).unwrap().unwrap();
            let leaf = instance.leaf(LeafName::Machine).unwrap();
            let resources = Resources {
                userns: Some(userns.as_fd()),
                rootfs: Some(rootfs.as_fd()),
                group: Some(&leaf),
                program: Program::Held(reaper),
                filter: Some(filter()),
                identity: Some(Identity {
                    hostname: &machine.hostname,
                    login: machine.login,
                    address: None,
                    resolv: None,
                }),
                cgroup_view: &View::of_machine(),
                ..Resources::bare()
            };
            let started = container::start(&plan, &resources)?;
            report(started.pid, &[started.pidfd.as_fd()]);
            Ok(())
        });
        match started {
            Ok((_, mut descriptors)) => {
                let pidfd = descriptors.remove(0);
                Ok(Self {
                    machine,
                    spec: spec.clone(),
                    plan,
                    pidfd,
                    took: begin.elapsed(),
                    ended: Cell::new(false),
                    cgroup: Some(cgroup),
                    tree: tree_name,
                    folder,
                })
            }
            Err(error) => {
                remove_tree(cgroup, &tree_name);
                Err(error)
            }
        }
    }

    pub(crate) fn join(&self, command: &Command, terminal: Option<Winsize>) -> Result<Joined, String> {
        let join = JoinPlan {
            command,
            login: self.machine.login,
            terminal,
            plan: &self.plan,
            filter: Some(filter()),
        };
        let tree = self.tree.clone();
        let (pid, mut descriptors) = in_worker(&[self.pidfd.as_fd()], |report| {
            let tree = Tree::open(&tree).unwrap();
            let session = SessionNumber::try_from(1).unwrap();
            let instance = tree.open_instance(session, InstanceIndex::try_from(0).unwrap()).unwrap().unwrap();
            let leaf = instance.leaf(LeafName::Machine).unwrap();
            let joined = container::join(&join, self.pidfd.as_fd(), Some(&leaf))?;
            let mut all = vec![joined.pidfd.as_fd()];
            all.extend(joined.descriptors.iter().map(AsFd::as_fd));
            report(joined.pid, &all);
            Ok(())
        })?;
        let pidfd = descriptors.remove(0);
        Ok(Joined { pid, pidfd, descriptors })
    }

    /// Runs a line of shell as the machine's user.
    pub(crate) fn sh(&self, line: &str) -> Output {
        self.run(&["sh", "-c", line])
    }

    pub(crate) fn run(&self, argv: &[&str]) -> Output {
        self.run_as(argv, None)
    }

    pub(crate) fn run_as(&self, argv: &[&str], user: Option<&str>) -> Output {
        let argv = argv.iter().map(|argument| (*argument).to_owned()).collect();
        self.exec(&Command { argv, user: user.map(str::to_owned), ..Command::default() }).unwrap()
    }

    /// Runs a program to its end.
    pub(crate) fn exec(&self, command: &Command) -> Result<Output, String> {
        self.exec_on(command, b"")
    }

    pub(crate) fn exec_with_input(&self, command: &Command, input: &[u8]) -> Output {
        self.exec_on(command, input).unwrap()
    }

    fn exec_on(&self, command: &Command, input: &[u8]) -> Result<Output, String> {
        let mut joined = self.join(command, None)?;
        File::from(joined.descriptors.remove(0)).write_all(input).unwrap();
        let stderr = File::from(joined.descriptors.remove(1));
        let stdout = File::from(joined.descriptors.remove(0));
        let [stdout, stderr] = read_all([stdout, stderr]);
        Ok(Output { code: wait(joined.pidfd.as_fd()), stdout, stderr })
    }

    pub(crate) fn signal(&self, signal: Signal) {
        pidfd::send_signal(self.pidfd.as_fd(), signal).unwrap();
    }

    /// Waits for pid 1, which must be told to end. Its exit code.
    pub(crate) fn wait(&self) -> i32 {
        self.ended.set(true);
        wait(self.pidfd.as_fd())
    }

    /// Ends it and starts it again over the same writable folder.
    pub(crate) fn restart(self) -> Result<Self, String> {
        let (machine, spec, folder) = (self.machine.clone(), self.spec.clone(), self.folder.clone());
        drop(self);
        Self::start(machine, &spec, folder)
    }

    pub(crate) fn open_terminal(&self, size: Winsize) -> Terminal {
        Terminal::new(self.join(&Command::default(), Some(size)).unwrap())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if !self.ended.get() {
            pidfd::send_signal(self.pidfd.as_fd(), Signal::SIGKILL).unwrap();
        }
        // Pid 1 is not gone before every program that had joined is waited for, and those are this process's children.
        let end = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
        while waitid(Id::PIDFd(self.pidfd.as_fd()), end) == Ok(WaitStatus::StillAlive) {
            waitid(Id::All, WaitPidFlag::WEXITED).unwrap();
        }
        if let Some(cgroup) = self.cgroup.take() {
            remove_tree(cgroup, &self.tree);
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let folder = self.folder.path().to_str().unwrap();
        assert!(!mounts.contains(folder), "a mount leaked into the host's namespace");
    }
}

fn remove_tree(cgroup: Instance, name: &str) {
    drop(cgroup);
    // This process itself sits in the tree; a test process has no other place to go back to than the root.
    let unified = Path::new("/sys/fs/cgroup/cgroup.procs");
    if unified.exists() {
        fs::write(unified, "0").unwrap();
    } else {
        for hierarchy in fs::read_dir("/sys/fs/cgroup").unwrap() {
            let procs = hierarchy.unwrap().path().join("cgroup.procs");
            if procs.exists() {
                fs::write(procs, "0").unwrap();
            }
        }
    }
    let end = Instant::now() + PATIENCE;
    while Tree::remove(name).unwrap() != Removal::Gone {
        assert!(Instant::now() < end, "the cgroups of {name} stay busy");
        std::thread::yield_now();
    }
}

/// No process, mount or cgroup of these tests is left.
pub(crate) fn assert_nothing_left() {
    assert_eq!(nix::sys::wait::wait(), Err(nix::errno::Errno::ECHILD), "a child is left");
    let name = format!("sandlot-test-{}-", std::process::id());
    let mine = |folder: fs::DirEntry| folder.file_name().to_string_lossy().starts_with(&name);
    for hierarchy in fs::read_dir("/sys/fs/cgroup").unwrap() {
        let path = hierarchy.unwrap().path();
        if path.is_dir() {
            assert!(
                !fs::read_dir(&path).unwrap().any(|entry| mine(entry.unwrap())),
                "a cgroup is left in {path:?}"
            );
        }
    }
}

/// The reaper's program, loaded once.
fn reaper() -> BorrowedFd<'static> {
    static REAPER: OnceLock<OwnedFd> = OnceLock::new();
    REAPER.get_or_init(|| container::reaper_program::load(&static_program()).unwrap()).as_fd()
}

/// Docker's default filter, compiled once.
pub(crate) fn filter() -> &'static Filter {
    static FILTER: OnceLock<Filter> = OnceLock::new();
    FILTER.get_or_init(|| Filter::compile(&docker_default(false).unwrap()).unwrap().with_speculation())
}

/// `sandlot-oci`, beside the folder of this test's own program.
pub(crate) fn static_program() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let program = own.parent().and_then(Path::parent).unwrap().join("sandlot-oci");
    assert!(program.exists(), "`{}` is missing: run `make oci`", program.display());
    program
}

pub(crate) fn description(layers: Vec<DiffId>) -> protocol::Machine {
    protocol::Machine {
        index: InstanceIndex::try_from(0).unwrap(),
        hostname: Hostname::try_from("m1".to_owned()).unwrap(),
        layers,
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
    }
}
