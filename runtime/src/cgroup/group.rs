//! One control group of ours in every hierarchy that is used: the same name below each.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Error;
use super::folder::Folder;
use super::hierarchy::{Controller, ControllerSet, Hierarchy};

/// A group's folder in one hierarchy.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) folder: Folder,
    pub(super) unified: bool,
    pub(super) controllers: ControllerSet,
}

/// A group's folders in all hierarchies, the version 2 one first. After a crash some may be missing.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) parts: Vec<Part>,
}

impl Group {
    /// The roots of all hierarchies.
    pub(super) fn root(hierarchies: Vec<Hierarchy>) -> Self {
        let part = |h: Hierarchy| Part { folder: h.root, unified: h.unified, controllers: h.controllers };
        Self { parts: hierarchies.into_iter().map(part).collect() }
    }

    /// Makes the group `name` below this one wherever it is missing.
    pub(super) fn create(&self, name: &str) -> Result<Self, Error> {
        let parts = self.parts.iter().map(|part| Ok(part.with(part.folder.create(name)?)));
        Ok(Self { parts: parts.collect::<Result<_, Error>>()? })
    }

    /// Makes the leaf `name` of an instance. Version 1 throttles io in each group by itself, as if they all stood side by
    /// side, so that in its io hierarchy the processes have to sit where the limit is.
    pub(super) fn create_leaf(&self, name: &str) -> Result<Self, Error> {
        let parts = self.parts.iter().map(|part| {
            let flat = !part.unified && part.controllers == ControllerSet::only(Controller::Io);
            Ok(part.with(if flat { part.folder.try_clone()? } else { part.folder.create(name)? }))
        });
        Ok(Self { parts: parts.collect::<Result<_, Error>>()? })
    }

    /// Opens the group `name` below this one wherever it is; `None` when it is nowhere.
    pub(super) fn open(&self, name: &str) -> Result<Option<Self>, Error> {
        let mut parts = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            parts.extend(part.folder.open(name)?.map(|folder| part.with(folder)));
        }
        Ok(if parts.is_empty() { None } else { Some(Self { parts }) })
    }

    /// The folder that has this controller.
    pub(super) fn with(&self, controller: Controller) -> Option<&Part> {
        self.parts.iter().find(|part| part.controllers.has(controller))
    }

    /// The folder in the version 2 hierarchy.
    pub(super) fn unified(&self) -> Option<&Folder> {
        self.parts.iter().find(|part| part.unified).map(|part| &part.folder)
    }

    /// Descriptor of the folder in the version 2 hierarchy.
    pub(super) fn unified_fd(&self) -> Option<BorrowedFd<'_>> {
        self.unified().map(Folder::as_fd)
    }

    /// Descriptors of all its folders.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.parts.iter().map(|part| part.folder.as_fd())
    }

    /// Names of the groups below this one, in whatever hierarchy.
    pub(super) fn children(&self) -> Result<BTreeSet<String>, Error> {
        let mut names = BTreeSet::new();
        for part in &self.parts {
            names.extend(part.folder.children()?);
        }
        Ok(names)
    }

    /// Moves a process, with all its threads, into this group.
    pub(super) fn add(&self, pid: i32) -> Result<(), Error> {
        let pid = pid.to_string();
        self.parts.iter().try_for_each(|part| part.folder.write("cgroup.procs", &pid))
    }

    /// Whether no process lives in this group or below it, in any hierarchy.
    pub(super) fn is_empty(&self) -> Result<bool, Error> {
        if let Some(folder) = self.unified()
            && folder.read_keyed("cgroup.events", "populated")? != 0
        {
            return Ok(false);
        }
        Ok(self.processes_v1()?.is_empty())
    }

    /// Processes in this group and below, by the version 1 hierarchy that counts them.
    fn processes_v1(&self) -> Result<Vec<i32>, Error> {
        let counting = [Controller::Pids, Controller::Memory, Controller::Freezer];
        let part = counting.iter().find_map(|c| self.with(*c).filter(|part| !part.unified));
        let mut found = Vec::new();
        if let Some(part) = part {
            collect_processes(&part.folder, &mut found)?;
        }
        Ok(found)
    }

    /// Sends SIGKILL to every process in this group and below. They are gone once [`Group::is_empty`] says so; a
    /// process that was moving in meanwhile needs a second call.
    pub(super) fn kill(&self) -> Result<(), Error> {
        let unified = self.unified().filter(|folder| folder.has("cgroup.kill"));
        if let Some(folder) = unified {
            folder.write("cgroup.kill", "1")?;
        }
        let left = self.processes_v1()?;
        if left.is_empty() {
            return Ok(());
        }
        if unified.is_some() {
            return signal_all(&left);
        }
        self.kill_frozen()
    }

    /// Without `cgroup.kill`: what is frozen can neither fork nor end, so that no id is used again under our hands.
    fn kill_frozen(&self) -> Result<(), Error> {
        self.set_frozen(true)?;
        let killed = self.processes_v1().and_then(|pids| signal_all(&pids));
        self.set_frozen(false)?;
        killed
    }

    /// Freezes or thaws every process in this group and below. Returns before the last one stands still.
    pub(super) fn set_frozen(&self, frozen: bool) -> Result<(), Error> {
        if let Some(folder) = self.unified() {
            return folder.write("cgroup.freeze", if frozen { "1" } else { "0" });
        }
        match self.with(Controller::Freezer) {
            Some(part) => part.folder.write("freezer.state", if frozen { "FROZEN" } else { "THAWED" }),
            None => Err(Error::NoController("freezer")),
        }
    }

    /// Removes the group `name` below this one with all its groups. `false` when processes (or their remains) hold it.
    pub(super) fn remove(&self, name: &str) -> Result<bool, Error> {
        let mut gone = true;
        for part in &self.parts {
            gone &= remove_below(&part.folder, name)?;
        }
        Ok(gone)
    }
}

impl Part {
    fn with(&self, folder: Folder) -> Self {
        Self { folder, unified: self.unified, controllers: self.controllers }
    }
}

fn collect_processes(folder: &Folder, found: &mut Vec<i32>) -> Result<(), Error> {
    found.extend(folder.processes()?);
    for name in folder.children()? {
        if let Some(child) = folder.open(&name)? {
            collect_processes(&child, found)?;
        }
    }
    Ok(())
}

fn remove_below(folder: &Folder, name: &str) -> Result<bool, Error> {
    match folder.remove(name) {
        Ok(()) => return Ok(true),
        Err(Errno::EBUSY) => {}
        Err(errno) => return Err(Error::kernel("remove", folder.path_of(name), errno)),
    }
    let Some(inner) = folder.open(name)? else { return Ok(true) };
    let mut gone = true;
    for child in inner.children()? {
        gone &= remove_below(&inner, &child)?;
    }
    Ok(gone && folder.remove(name).is_ok())
}

fn signal_all(pids: &[i32]) -> Result<(), Error> {
    for pid in pids {
        match kill(Pid::from_raw(*pid), Signal::SIGKILL) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => return Err(Error::kernel("kill process", pid.to_string(), errno)),
        }
    }
    Ok(())
}
