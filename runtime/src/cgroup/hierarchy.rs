//! Which cgroup hierarchies the host has, and which controllers are on each.

use std::fs;
use std::path::PathBuf;

use cgroups_rs::Controllers;
use cgroups_rs::hierarchies::{UNIFIED_MOUNTPOINT, V1, is_cgroup2_unified_mode};

use super::Error;
use super::folder::Folder;

/// How the host's control groups are set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Version 1 controllers only.
    V1,
    /// Version 1 controllers, and the version 2 hierarchy beside them.
    Hybrid,
    /// Version 2 only.
    V2,
}

impl Version {
    /// As in [`crate::supervisor::protocol::Facts::cgroup`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::Hybrid => "hybrid",
            Self::V2 => "v2",
        }
    }
}

/// A controller that is used where the host has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Controller {
    Cpu,
    CpuAcct,
    CpuSet,
    Memory,
    Pids,
    Io,
    Devices,
    Freezer,
}

impl Controller {
    const ALL: [Self; 8] = [
        Self::Memory,
        Self::Pids,
        Self::Cpu,
        Self::CpuAcct,
        Self::CpuSet,
        Self::Io,
        Self::Devices,
        Self::Freezer,
    ];

    /// The four that version 2 has as controllers and that carry limits here.
    pub(super) const UNIFIED: [(Self, &'static str); 4] =
        [(Self::Cpu, "cpu"), (Self::Memory, "memory"), (Self::Pids, "pids"), (Self::Io, "io")];

    fn in_v1(self) -> Controllers {
        match self {
            Self::Cpu => Controllers::Cpu,
            Self::CpuAcct => Controllers::CpuAcct,
            Self::CpuSet => Controllers::CpuSet,
            Self::Memory => Controllers::Mem,
            Self::Pids => Controllers::Pids,
            Self::Io => Controllers::BlkIo,
            Self::Devices => Controllers::Devices,
            Self::Freezer => Controllers::Freezer,
        }
    }
}

/// Some of the controllers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ControllerSet(u8);

impl ControllerSet {
    pub(super) fn only(controller: Controller) -> Self {
        Self::default().with(controller)
    }

    pub(super) fn has(self, controller: Controller) -> bool {
        self.0 & (1 << controller as u8) != 0
    }

    fn with(self, controller: Controller) -> Self {
        Self(self.0 | (1 << controller as u8))
    }
}

impl FromIterator<Controller> for ControllerSet {
    fn from_iter<I: IntoIterator<Item = Controller>>(controllers: I) -> Self {
        controllers.into_iter().fold(Self::default(), Self::with)
    }
}

/// A mounted hierarchy with the controllers it has for us.
#[derive(Debug)]
pub(super) struct Hierarchy {
    pub(super) root: Folder,
    pub(super) unified: bool,
    pub(super) controllers: ControllerSet,
}

/// Finds the hierarchies. The version 2 one comes first: it is the one that kills and freezes.
pub(super) fn find() -> Result<(Version, Vec<Hierarchy>), Error> {
    if is_cgroup2_unified_mode() {
        return Ok((Version::V2, vec![unified(UNIFIED_MOUNTPOINT)?]));
    }
    let mut found = Vec::new();
    if let Some(path) = unified_mount() {
        found.push(unified(&path)?);
    }
    let version = if found.is_empty() { Version::V1 } else { Version::Hybrid };
    let taken = found.first().map(|h: &Hierarchy| h.controllers).unwrap_or_default();
    for (path, controllers) in version_1(taken) {
        let root = Folder::open_root(&path.to_string_lossy())?;
        found.push(Hierarchy { root, unified: false, controllers });
    }
    if found.is_empty() { Err(Error::NotMounted) } else { Ok((version, found)) }
}

fn unified(path: &str) -> Result<Hierarchy, Error> {
    let root = Folder::open_root(path)?;
    let there = root.read("cgroup.controllers")?;
    let has = |name: &str| there.split_whitespace().any(|word| word == name);
    let controllers = Controller::UNIFIED.iter().filter(|(_, name)| has(name)).map(|(c, _)| *c).collect();
    Ok(Hierarchy { root, unified: true, controllers })
}

/// Mount points of version 1, each once, with the controllers mounted together there.
fn version_1(taken: ControllerSet) -> Vec<(PathBuf, ControllerSet)> {
    let mounts = V1::new();
    let mut found: Vec<(PathBuf, ControllerSet)> = Vec::new();
    for controller in Controller::ALL.into_iter().filter(|c| !taken.has(*c)) {
        let Some(path) = mounts.get_mount_point(controller.in_v1()) else { continue };
        match found.iter_mut().find(|(at, _)| *at == path) {
            Some((_, controllers)) => *controllers = controllers.with(controller),
            None => found.push((path, ControllerSet::only(controller))),
        }
    }
    found
}

/// Where a hybrid host has its version 2 hierarchy; cgroups-rs does not look for it.
fn unified_mount() -> Option<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        kind.starts_with("cgroup2 ").then(|| place.split(' ').nth(4).map(str::to_owned))?
    })
}
