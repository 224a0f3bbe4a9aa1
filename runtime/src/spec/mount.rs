//! The mounts of a spec: kernel file systems only. Nothing of the host can be bound in.

use std::ffi::{CStr, CString};
use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::Mount;

use super::error::SpecError;
use crate::sys::mount::{
    MOUNT_ATTR_NOATIME, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY,
};

/// File systems that a plan may mount; each is made new for the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilesystemKind {
    /// Processes of the pid namespace.
    Proc,
    /// Devices of the network namespace.
    Sysfs,
    /// Memory.
    Tmpfs,
    /// Terminals.
    Devpts,
    /// POSIX message queues of the ipc namespace.
    Mqueue,
    /// The container's own part of the cgroup tree.
    Cgroup,
}

impl FilesystemKind {
    /// The name as in a spec, which is also the kernel's for all but the cgroup tree.
    pub fn name(self) -> &'static CStr {
        match self {
            Self::Proc => c"proc",
            Self::Sysfs => c"sysfs",
            Self::Tmpfs => c"tmpfs",
            Self::Devpts => c"devpts",
            Self::Mqueue => c"mqueue",
            Self::Cgroup => c"cgroup",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Proc, Self::Sysfs, Self::Tmpfs, Self::Devpts, Self::Mqueue, Self::Cgroup]
            .into_iter()
            .find(|kind| kind.name().to_bytes() == name.as_bytes())
    }
}

/// One mount, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountPlan {
    /// What is mounted.
    pub kind: FilesystemKind,
    /// Where, absolute inside the container, without `..`.
    pub target: PathBuf,
    /// `MOUNT_ATTR_*` bits.
    pub attributes: u64,
    /// Options of the file system itself, as key and value.
    pub options: Vec<(CString, Option<CString>)>,
}

impl TryFrom<&Mount> for MountPlan {
    type Error = SpecError;

    fn try_from(mount: &Mount) -> Result<Self, SpecError> {
        let name = mount.typ().as_deref().unwrap_or("none");
        let kind = FilesystemKind::parse(name).ok_or_else(|| {
            SpecError::invalid("mounts.type", name, "is not a file system that may be mounted")
        })?;
        if mount.uid_mappings().is_some() || mount.gid_mappings().is_some() {
            return Err(SpecError::Unsupported("mounts.uidMappings".to_owned()));
        }
        let mut plan = Self {
            kind,
            target: absolute("mounts.destination", mount.destination())?,
            attributes: 0,
            options: Vec::new(),
        };
        for option in mount.options().iter().flatten() {
            plan.add_option(option)?;
        }
        Ok(plan)
    }
}

impl MountPlan {
    fn add_option(&mut self, option: &str) -> Result<(), SpecError> {
        let attribute = match option {
            "ro" => MOUNT_ATTR_RDONLY,
            "nosuid" => MOUNT_ATTR_NOSUID,
            "nodev" => MOUNT_ATTR_NODEV,
            "noexec" => MOUNT_ATTR_NOEXEC,
            "noatime" => MOUNT_ATTR_NOATIME,
            "rw" | "relatime" => 0,
            _ => return self.add_filesystem_option(option),
        };
        self.attributes |= attribute;
        Ok(())
    }

    fn add_filesystem_option(&mut self, option: &str) -> Result<(), SpecError> {
        let (key, value) = match option.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (option, None),
        };
        let known: &[&str] = match self.kind {
            FilesystemKind::Tmpfs => &["mode", "size", "nr_inodes"],
            FilesystemKind::Devpts => &["newinstance", "ptmxmode", "mode", "gid", "max"],
            _ => &[],
        };
        let needs_value = key != "newinstance";
        if !known.contains(&key) || value.is_some() != needs_value {
            return Err(SpecError::invalid("mounts.options", option, "is not an option of this file system"));
        }
        let value = value.map(|value| text("mounts.options", value)).transpose()?;
        self.options.push((text("mounts.options", key)?, value));
        Ok(())
    }
}

/// A path inside the container: absolute, and with nothing but names in it.
pub(super) fn absolute(field: &'static str, path: &Path) -> Result<PathBuf, SpecError> {
    let good = path.is_absolute()
        && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
        && !path.as_os_str().as_encoded_bytes().contains(&0);
    if good {
        Ok(path.to_owned())
    } else {
        Err(SpecError::invalid(field, path.display(), "must be absolute, without `..`"))
    }
}

/// A text without a zero byte.
pub(super) fn text(field: &'static str, value: &str) -> Result<CString, SpecError> {
    CString::new(value)
        .map_err(|_| SpecError::invalid(field, value.escape_debug(), "must not contain a zero byte"))
}
