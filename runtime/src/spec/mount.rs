//! The mounts of a spec.

mod options;

use std::ffi::{CStr, CString};
use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::Mount;

use super::error::SpecError;
use super::namespaces::{IdMap, id_map};
pub use options::MOUNT_OPTIONS;

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountKind {
    /// A new file system of this type.
    Filesystem(CString),
    /// What is at the source, with all mounts below it where `recursive`.
    Bind {
        /// Whether mounts below come along.
        recursive: bool,
    },
    /// The container's own part of the cgroup tree.
    Cgroup,
    /// What is mounted at the target already gets other attributes.
    Remount,
}

/// Changes of a mount's attributes, as `MOUNT_ATTR_*` bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Bits that are set.
    pub set: u64,
    /// Bits that are cleared.
    pub clear: u64,
}

/// How mount events travel: an `MS_SHARED`, `MS_PRIVATE`, `MS_SLAVE` or `MS_UNBINDABLE` bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Propagation {
    /// The bit.
    pub flag: u64,
    /// Whether it holds for all mounts below, too.
    pub recursive: bool,
}

/// Owners of a mount are mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountIdMap {
    /// Of users; empty: as the container's user namespace.
    pub uids: Vec<IdMap>,
    /// Of groups.
    pub gids: Vec<IdMap>,
    /// Whether it holds for all mounts below, too.
    pub recursive: bool,
}

/// One mount, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountPlan {
    /// What is mounted.
    pub kind: MountKind,
    /// Where it comes from: a path for a bind, else what the file system makes of it.
    pub source: Option<PathBuf>,
    /// Where, absolute inside the container, without `..`.
    pub target: PathBuf,
    /// Of this mount.
    pub attributes: Attributes,
    /// Of this mount and all below it.
    pub recursive: Attributes,
    /// Options of the file system itself, as key and value.
    pub options: Vec<(CString, Option<CString>)>,
    /// In this order.
    pub propagation: Vec<Propagation>,
    /// A new tmpfs gets a copy of what it hides.
    pub copy_up: bool,
    /// Owners are mapped.
    pub idmap: Option<MountIdMap>,
}

impl TryFrom<&Mount> for MountPlan {
    type Error = SpecError;

    fn try_from(mount: &Mount) -> Result<Self, SpecError> {
        let mut plan = Self {
            kind: kind(mount)?,
            source: mount.source().clone(),
            target: inside("mounts.destination", mount.destination())?,
            attributes: Attributes::default(),
            recursive: Attributes::default(),
            options: Vec::new(),
            propagation: Vec::new(),
            copy_up: false,
            idmap: idmap(mount)?,
        };
        for option in mount.options().iter().flatten() {
            options::add(&mut plan, option)?;
        }
        plan.check()?;
        Ok(plan)
    }
}

impl MountPlan {
    /// A new file system with its defaults.
    pub fn filesystem(kind: &CStr, target: &str) -> Self {
        Self {
            kind: MountKind::Filesystem(kind.to_owned()),
            source: None,
            target: target.into(),
            attributes: Attributes::default(),
            recursive: Attributes::default(),
            options: Vec::new(),
            propagation: Vec::new(),
            copy_up: false,
            idmap: None,
        }
    }

    /// A mount that was made by whoever starts the container, and is only attached inside.
    pub(crate) fn made(target: &str) -> Result<Self, SpecError> {
        let plan = Self::filesystem(c"none", "/");
        let target = inside("mounts.destination", Path::new(target))?;
        Ok(Self { kind: MountKind::Bind { recursive: false }, target, ..plan })
    }

    /// What the kernel shows as the origin of a new file system.
    pub(crate) fn source_text(&self) -> Option<CString> {
        use std::os::unix::ffi::OsStrExt;
        let source = self.source.as_deref().filter(|source| !source.as_os_str().is_empty())?;
        CString::new(source.as_os_str().as_bytes()).ok()
    }

    fn check(&self) -> Result<(), SpecError> {
        let is_bind = matches!(self.kind, MountKind::Bind { .. });
        if is_bind && self.source.as_ref().is_none_or(|source| source.as_os_str().is_empty()) {
            return Err(SpecError::invalid("mounts.source", "", "must be there for a bind"));
        }
        if self.copy_up && self.kind != MountKind::Filesystem(c"tmpfs".to_owned()) {
            return Err(SpecError::invalid("mounts.options", "tmpcopyup", "is for tmpfs only"));
        }
        if self.idmap.is_some() && !is_bind {
            return Err(SpecError::invalid("mounts.uidMappings", self.target.display(), "is no bind"));
        }
        Ok(())
    }
}

fn kind(mount: &Mount) -> Result<MountKind, SpecError> {
    let has = |name: &str| mount.options().iter().flatten().any(|option| option == name);
    if has("remount") {
        return Ok(MountKind::Remount);
    }
    let typ = mount.typ().as_deref().unwrap_or_default();
    match typ {
        "cgroup" | "cgroup2" => Ok(MountKind::Cgroup),
        _ if typ == "bind" || has("bind") || has("rbind") => Ok(MountKind::Bind { recursive: has("rbind") }),
        "" => Err(SpecError::invalid(
            "mounts.type",
            mount.destination().display(),
            "has neither a type nor a bind option",
        )),
        _ => Ok(MountKind::Filesystem(text("mounts.type", typ)?)),
    }
}

fn idmap(mount: &Mount) -> Result<Option<MountIdMap>, SpecError> {
    let uids = id_map("mounts.uidMappings", mount.uid_mappings())?;
    let gids = id_map("mounts.gidMappings", mount.gid_mappings())?;
    match (uids.is_empty(), gids.is_empty()) {
        (true, true) => Ok(None),
        (false, false) => Ok(Some(MountIdMap { uids, gids, recursive: false })),
        _ => Err(SpecError::invalid(
            "mounts.uidMappings",
            mount.destination().display(),
            "needs gidMappings beside it",
        )),
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

/// A path as it is meant inside the container: relative ones start at its root, and `..` takes a name away.
pub(super) fn inside(field: &'static str, path: &Path) -> Result<PathBuf, SpecError> {
    if path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(SpecError::invalid(field, path.display(), "must not contain a zero byte"));
    }
    let mut clean = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => drop(clean.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(clean)
}

/// A text without a zero byte.
pub(super) fn text(field: &'static str, value: &str) -> Result<CString, SpecError> {
    CString::new(value)
        .map_err(|_| SpecError::invalid(field, value.escape_debug(), "must not contain a zero byte"))
}
