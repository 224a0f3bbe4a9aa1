//! Being told when memory runs out in a container.

use super::{ContainerGroup, With};
use crate::cgroup::Error;
use crate::cgroup::folder::Folder;
use crate::cgroup::oom::{self, OomNotice};

use super::file::{exists, read};

impl ContainerGroup {
    /// A descriptor to wait on.
    ///
    /// # Errors
    /// When the host does not count memory.
    pub fn oom_notice(&self) -> Result<OomNotice, Error> {
        let with = self.needed("memory")?;
        let folder = Folder::open_root(&with.path().to_string_lossy())?;
        oom::notice_in(&folder, matches!(with, With::Second(_)))
    }

    /// Whether a notice that has come means that memory ran out, given what this said before; `None` when the group is
    /// gone. Version 1 tells of that alone, before the kernel has killed and counted; version 2 of other events, too.
    pub fn oom_count(&self) -> Option<OomCount> {
        match self.with("memory")? {
            With::First(folder) => exists(folder, "memory.oom_control").then_some(OomCount::Every),
            With::Second(folder) => {
                let events = read(folder, "memory.events").ok()?;
                let kills = events.lines().find_map(|line| line.strip_prefix("oom_kill ")?.parse().ok());
                kills.map(OomCount::Kills)
            }
        }
    }
}

/// How often memory has run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OomCount {
    /// Not counted: every notice is one.
    Every,
    /// The kernel's count of killed processes.
    Kills(u64),
}

impl OomCount {
    /// Whether it happened between two looks with a notice between them.
    pub fn has_risen(self, before: Option<Self>) -> bool {
        match (self, before) {
            (Self::Every, _) => true,
            (Self::Kills(now), Some(Self::Kills(before))) => now > before,
            (Self::Kills(now), _) => now > 0,
        }
    }
}
