//! What the container's own cgroup mount shows.

use std::path::PathBuf;

use super::{ContainerGroup, Part};
use crate::rootfs::cgroup_tree::{Hierarchy, View};

impl ContainerGroup {
    /// Every hierarchy under its usual name; version 2 as it is where it stands alone.
    pub fn view(&self) -> View {
        match self.parts.as_slice() {
            [part] if part.root.is_unified() => View::Unified(Some(part.path.clone())),
            parts => View::Hierarchies(parts.iter().map(hierarchy).collect()),
        }
    }

    /// Its folders, by what the hierarchy is called.
    pub fn paths(&self) -> Vec<(String, PathBuf)> {
        self.parts.iter().map(|part| (part.root.key.clone(), part.path.clone())).collect()
    }
}

fn hierarchy(part: &Part) -> Hierarchy {
    let root = &part.root;
    let folder = root.mount.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let controllers: Vec<String> = root.controllers().map(str::to_owned).collect();
    let links = controllers.iter().filter(|one| **one != folder && controllers.len() > 1).cloned().collect();
    Hierarchy { folder, links, controllers, name: root.name().map(str::to_owned), path: part.path.clone() }
}
