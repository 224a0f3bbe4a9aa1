//! Being told when memory runs out in a container.

use super::{ContainerGroup, With};
use crate::cgroup::Error;
use crate::cgroup::folder::Folder;
use crate::cgroup::oom::{self, OomNotice};

use super::file::read;

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

    /// How often the kernel has killed a process for memory; `None` when the group is gone.
    pub fn oom_kills(&self) -> Option<u64> {
        let with = self.with("memory")?;
        let (file, key) = match with {
            With::First(_) => ("memory.oom_control", "oom_kill "),
            With::Second(_) => ("memory.events", "oom_kill "),
        };
        read(with.path(), file).ok()?.lines().find_map(|line| line.strip_prefix(key)?.parse().ok())
    }
}
