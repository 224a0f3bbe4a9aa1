//! The node's part of the cgroup tree: found, prepared once, then instances are made and listed in it.

use std::os::fd::BorrowedFd;

use nix::libc::EBUSY;

use super::devices::{DeviceNumber, Filter};
use super::folder::Folder;
use super::group::{Group, Part};
use super::hierarchy::{self, Controller, ControllerSet};
use super::instance::{Instance, Removal};
use super::{Error, Version, limits};
use crate::supervisor::name::{InstanceIndex, SessionNumber};
use crate::supervisor::protocol::Limits;

/// Processor weight of our own processes, in thousandths of the default: all sessions together may not starve serve.
const OWN_WEIGHT_MILLIS: u32 = 8_000;

/// The leaves of our own processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Supervisor, guardian, workers.
    Supervisor,
    /// Serve.
    Serve,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Supervisor => "supervisor",
            Self::Serve => "serve",
        }
    }
}

/// `<parent>` and `<parent>/sessions` in every hierarchy.
#[derive(Debug)]
pub struct Tree {
    version: Version,
    parent: Group,
    sessions: Group,
    devices: Filter,
    degraded: Vec<String>,
}

impl Tree {
    /// Finds the hierarchies and prepares `parent`, a path below the root of each, such as `sandlot`. May be repeated, also by
    /// several processes. Processes that sit where version 2 forbids it go to the leaf of [`Role::Supervisor`].
    ///
    /// # Errors
    /// When the host lacks a controller that containment needs, or the kernel refuses.
    pub fn open(parent: &str) -> Result<Self, Error> {
        let (version, hierarchies) = hierarchy::find()?;
        let root = Group::root(hierarchies);
        require(&root)?;
        let parent = prepare(root, parent)?;
        let sessions = parent.create("sessions")?;
        enable_unified(&sessions, &[])?;
        let devices = Filter::choose(&sessions)?;
        let degraded = missing(&sessions);
        Ok(Self { version, parent, sessions, devices, degraded })
    }

    /// How the host's control groups are set up.
    pub fn version(&self) -> Version {
        self.version
    }

    /// What the host cannot limit, one sentence each.
    pub fn degraded(&self) -> &[String] {
        &self.degraded
    }

    /// What it holds open: a worker that closes what it was not given keeps these.
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let folders = self.parent.descriptors().chain(self.sessions.descriptors());
        folders.chain(self.devices.descriptor()).collect()
    }

    /// Moves one of our own processes to its leaf; 0 is the caller.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn adopt(&self, role: Role, pid: i32) -> Result<(), Error> {
        let leaf = self.parent.create(role.name())?;
        if let Some(part) = leaf.with(Controller::Cpu) {
            let weigh = if part.unified { limits::v2::weight } else { limits::v1::weight };
            weigh(&part.folder, OWN_WEIGHT_MILLIS)?;
        }
        leaf.add(pid)
    }

    /// Makes an instance's group with its limits. One that exists already is taken, with the new limits. `device` is
    /// the disk that the io limit counts on. After a failure nothing new is left.
    ///
    /// # Errors
    /// When the kernel refuses one of the steps.
    pub fn create_instance(
        &self,
        session: SessionNumber,
        index: InstanceIndex,
        limits: &Limits,
        device: Option<DeviceNumber>,
    ) -> Result<Instance, Error> {
        let made = self.sessions.create(&session.to_string()).and_then(|group| {
            enable_unified(&group, &[])?;
            let group = group.create(&index.to_string())?;
            self.devices.restrict(&group)?;
            let instance = Instance::new(group);
            instance.set_limits(limits, device)?;
            Ok(instance)
        });
        made.inspect_err(|_| self.undo(session, index))
    }

    /// Opens an instance's group; `None` when there is none.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn open_instance(
        &self,
        session: SessionNumber,
        index: InstanceIndex,
    ) -> Result<Option<Instance>, Error> {
        let Some(group) = self.sessions.open(&session.to_string())? else { return Ok(None) };
        Ok(group.open(&index.to_string())?.map(Instance::new))
    }

    /// As [`Instance::cpu_time`], of all sessions.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn cpu_time(&self) -> Result<std::fs::File, Error> {
        super::stats::cpu_time(&self.sessions)
    }

    /// Removes an instance's group with its leaves. The session's own goes with [`Tree::remove_session`].
    ///
    /// # Errors
    /// When the kernel refuses for another reason than processes in it.
    pub fn remove_instance(&self, session: SessionNumber, index: InstanceIndex) -> Result<Removal, Error> {
        match self.sessions.open(&session.to_string())? {
            Some(group) => group.remove(&index.to_string()).map(Removal::from_gone),
            None => Ok(Removal::Gone),
        }
    }

    /// Sessions that have a group in any hierarchy, in ascending order.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn sessions(&self) -> Result<Vec<SessionNumber>, Error> {
        let names = self.sessions.children()?;
        let number = |name: &String| SessionNumber::try_from(name.parse::<u32>().ok()?).ok();
        let mut sessions: Vec<_> = names.iter().filter_map(number).collect();
        sessions.sort_unstable();
        Ok(sessions)
    }

    /// Sends SIGKILL to every process of a session. None is left once [`Tree::is_session_empty`] says so.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill_session(&self, session: SessionNumber) -> Result<(), Error> {
        self.sessions.open(&session.to_string())?.map_or(Ok(()), |group| group.kill())
    }

    /// Whether no process of a session lives.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn is_session_empty(&self, session: SessionNumber) -> Result<bool, Error> {
        self.sessions.open(&session.to_string())?.map_or(Ok(true), |group| group.is_empty())
    }

    /// Removes a session's groups, all instances included. Does not wait: call it again when it is busy.
    ///
    /// # Errors
    /// When the kernel refuses for another reason than processes in it.
    pub fn remove_session(&self, session: SessionNumber) -> Result<Removal, Error> {
        self.sessions.remove(&session.to_string()).map(Removal::from_gone)
    }

    /// Removes the whole tree: for `sandlot down` and tests, once nothing runs in it.
    ///
    /// # Errors
    /// When the kernel refuses for another reason than processes in it.
    pub fn remove(parent: &str) -> Result<Removal, Error> {
        let (_, hierarchies) = hierarchy::find()?;
        Group::root(hierarchies).remove(parent).map(Removal::from_gone)
    }

    fn undo(&self, session: SessionNumber, index: InstanceIndex) {
        // The failure of the creation is what is reported; what cannot be removed now is found by `sessions` later.
        let undone = self.remove_instance(session, index).and_then(|_| {
            let only = self
                .sessions
                .open(&session.to_string())?
                .is_some_and(|g| g.children().is_ok_and(|c| c.is_empty()));
            if only { self.remove_session(session) } else { Ok(Removal::Busy) }
        });
        drop(undone);
    }
}

/// Containment needs these; the others are a matter of comfort.
fn require(root: &Group) -> Result<(), Error> {
    let needed = [(Controller::Memory, "memory"), (Controller::Pids, "pids"), (Controller::Cpu, "cpu")];
    for (controller, name) in needed {
        root.with(controller).ok_or(Error::NoController(name))?;
    }
    Ok(())
}

/// Makes the parent, one level at a time.
fn prepare(root: Group, parent: &str) -> Result<Group, Error> {
    let levels: Vec<&str> = parent.split('/').collect();
    if levels.iter().any(|level| matches!(*level, "" | "." | "..")) {
        return Err(Error::InvalidParent(parent.to_owned()));
    }
    let mut group = root;
    for (depth, level) in levels.iter().enumerate() {
        enable_unified(&group, levels.get(depth..).unwrap_or_default())?;
        let below = group.create(level)?;
        inherit_cpuset(&group, &below)?;
        group = below;
    }
    enable_unified(&group, &[])?;
    Ok(group)
}

/// Gives the groups below a version 2 one its controllers. The kernel refuses with EBUSY while processes sit in the
/// group itself: then they are moved to the supervisor's leaf, which stands `to_parent` further down.
fn enable_unified(group: &Group, to_parent: &[&str]) -> Result<(), Error> {
    let Some(part) = group.parts.iter().find(|part| part.unified) else { return Ok(()) };
    let line = subtree_line(part.controllers);
    if line.is_empty() {
        return Ok(());
    }
    match part.folder.write("cgroup.subtree_control", &line) {
        Err(error) if error.errno() == Some(EBUSY) => {
            evict(&part.folder, to_parent)?;
            part.folder.write("cgroup.subtree_control", &line)
        }
        other => other,
    }
}

fn subtree_line(controllers: ControllerSet) -> String {
    let wanted = Controller::UNIFIED.iter().filter(|(controller, _)| controllers.has(*controller));
    wanted.map(|(_, name)| format!("+{name}")).collect::<Vec<_>>().join(" ")
}

fn evict(folder: &Folder, to_parent: &[&str]) -> Result<(), Error> {
    let mut leaf = folder.try_clone()?;
    for level in to_parent.iter().copied().chain([Role::Supervisor.name()]) {
        leaf = leaf.create(level)?;
    }
    let pids = folder.processes()?;
    pids.iter().try_for_each(|pid| leaf.write("cgroup.procs", &pid.to_string()))
}

/// A version 1 cpuset starts without cpus and memory nodes and takes no process then; from the parent on the kernel
/// copies them down by itself.
fn inherit_cpuset(above: &Group, below: &Group) -> Result<(), Error> {
    let both = above.with(Controller::CpuSet).zip(below.with(Controller::CpuSet));
    let Some((above, below)) = both else { return Ok(()) };
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if below.folder.read(file)?.trim().is_empty() {
            below.folder.write(file, above.folder.read(file)?.trim())?;
        }
    }
    below.folder.write("cgroup.clone_children", "1")
}

/// What cannot be limited here.
fn missing(sessions: &Group) -> Vec<String> {
    let has = |controller, v1: &str, v2: &str| {
        sessions.with(controller).is_some_and(|p: &Part| p.folder.has(if p.unified { v2 } else { v1 }))
    };
    let mut sentences = Vec::new();
    if !has(Controller::Memory, "memory.memsw.limit_in_bytes", "memory.swap.max") {
        sentences.push("the kernel does not count swap, so an instance may swap beyond its limit".to_owned());
    }
    match sessions.with(Controller::Io) {
        None => sentences.push("there is no io controller, so disk rates are not limited".to_owned()),
        Some(part) if !part.unified => {
            sentences.push("cgroup v1 limits the rate of direct and synchronous writes only".to_owned())
        }
        Some(_) => {}
    }
    sentences
}
