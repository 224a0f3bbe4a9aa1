//! The namespaces of a spec: which are new, which are joined by their path, and the id maps of a new user namespace.

use std::path::PathBuf;

use nix::sched::CloneFlags;
use oci_spec::runtime::{Linux, LinuxIdMapping, LinuxNamespaceType};

use super::error::SpecError;

/// `CLONE_NEWTIME`; nix has no name for it.
pub(crate) const CLONE_NEWTIME: CloneFlags = CloneFlags::from_bits_retain(0x80);

/// Namespaces of a container, each kind at most once. A kind that is not there is shared with the runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespaces {
    /// Made for the container.
    pub new: CloneFlags,
    /// Joined: kind and path.
    pub joined: Vec<(CloneFlags, PathBuf)>,
    /// Ids of a new user namespace: users, then groups.
    pub uid_map: Vec<IdMap>,
    /// As `uid_map`, for groups.
    pub gid_map: Vec<IdMap>,
}

/// One line of `/proc/<pid>/uid_map` (user_namespaces(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdMap {
    /// First id inside.
    pub inside: u32,
    /// First id outside.
    pub outside: u32,
    /// How many ids.
    pub count: u32,
}

impl Namespaces {
    /// Whether the container has a namespace of this kind of its own, new or joined.
    pub fn has(&self, kind: CloneFlags) -> bool {
        self.new.contains(kind) || self.joined.iter().any(|(joined, _)| *joined == kind)
    }

    /// Whether a namespace of this kind is made for the container.
    pub fn is_new(&self, kind: CloneFlags) -> bool {
        self.new.contains(kind)
    }

    pub(super) fn read(linux: &Linux) -> Result<Self, SpecError> {
        let mut namespaces = Self {
            new: CloneFlags::empty(),
            joined: Vec::new(),
            uid_map: id_map("linux.uidMappings", linux.uid_mappings())?,
            gid_map: id_map("linux.gidMappings", linux.gid_mappings())?,
        };
        for given in linux.namespaces().iter().flatten() {
            let kind = flag(given.typ());
            if namespaces.has(kind) {
                return Err(SpecError::Conflict(format!(
                    "malformed spec file: duplicated ns {}",
                    given.typ()
                )));
            }
            match given.path().as_ref().filter(|path| !path.as_os_str().is_empty()) {
                None => namespaces.new |= kind,
                Some(path) => namespaces.joined.push((kind, path.clone())),
            }
        }
        namespaces.check_maps()?;
        Ok(namespaces)
    }

    fn check_maps(&self) -> Result<(), SpecError> {
        let user = CloneFlags::CLONE_NEWUSER;
        let mapped = !self.uid_map.is_empty() || !self.gid_map.is_empty();
        if mapped && !self.has(user) {
            return Err(SpecError::Conflict(
                "user namespace mappings specified, but user namespace isn't enabled in the config"
                    .to_owned(),
            ));
        }
        if self.is_new(user) && (self.uid_map.is_empty() || self.gid_map.is_empty()) {
            return Err(SpecError::Conflict(
                "uidMappings and gidMappings must be set for a new user namespace".to_owned(),
            ));
        }
        Ok(())
    }
}

pub(super) fn flag(kind: LinuxNamespaceType) -> CloneFlags {
    match kind {
        LinuxNamespaceType::Mount => CloneFlags::CLONE_NEWNS,
        LinuxNamespaceType::Cgroup => CloneFlags::CLONE_NEWCGROUP,
        LinuxNamespaceType::Uts => CloneFlags::CLONE_NEWUTS,
        LinuxNamespaceType::Ipc => CloneFlags::CLONE_NEWIPC,
        LinuxNamespaceType::User => CloneFlags::CLONE_NEWUSER,
        LinuxNamespaceType::Pid => CloneFlags::CLONE_NEWPID,
        LinuxNamespaceType::Network => CloneFlags::CLONE_NEWNET,
        LinuxNamespaceType::Time => CLONE_NEWTIME,
    }
}

pub(super) fn id_map(
    field: &'static str,
    mappings: &Option<Vec<LinuxIdMapping>>,
) -> Result<Vec<IdMap>, SpecError> {
    let line = |mapping: &LinuxIdMapping| {
        let map = IdMap { inside: mapping.container_id(), outside: mapping.host_id(), count: mapping.size() };
        let fits = |first: u32| first.checked_add(map.count).is_some();
        if map.count > 0 && fits(map.inside) && fits(map.outside) {
            Ok(map)
        } else {
            Err(SpecError::invalid(field, map.count, "is not a size that fits behind the first id"))
        }
    };
    mappings.iter().flatten().map(line).collect()
}
