//! Making and removing the folders of groups.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use super::ContainerGroup;
use super::file::{read, write};
use super::roots::Root;
use crate::cgroup::Error;

/// Between two tries to remove a group whose last process is on its way out, and how often.
const PAUSE: Duration = Duration::from_millis(2);
const TRIES: u32 = 600;

/// Makes a group and those above it.
pub(super) fn make(root: &Root, path: &Path) -> Result<(), Error> {
    let failed = |path: &Path| {
        let object = path.display().to_string();
        move |source| Error::kernel("create", object, source)
    };
    let needs_more = root.is_unified() || root.has("cpuset");
    if !needs_more {
        return fs::create_dir_all(path).map_err(failed(path));
    }
    let mut here = root.mount.clone();
    for name in path.strip_prefix(&root.mount).unwrap_or(path) {
        let above = here.clone();
        here.push(name);
        match fs::create_dir(&here) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(failed(&here)(error)),
            _ => {}
        }
        if root.is_unified() { enable_all(&above) } else { inherit(&above, &here)? }
    }
    Ok(())
}

/// A new group of the cpuset controller takes no process before it has processors and memory nodes.
fn inherit(above: &Path, here: &Path) -> Result<(), Error> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if read(here, file)?.trim().is_empty() {
            write(here, file, read(above, file)?.trim())?;
        }
    }
    Ok(())
}

/// Controllers for the groups below. What cannot be enabled shows when a limit needs it.
fn enable_all(above: &Path) {
    let (Ok(offered), Ok(enabled)) =
        (read(above, "cgroup.controllers"), read(above, "cgroup.subtree_control"))
    else {
        return;
    };
    let missing = offered.split_whitespace().filter(|one| !enabled.split_whitespace().any(|on| on == *one));
    for controller in missing {
        let _refused = write(above, "cgroup.subtree_control", &format!("+{controller}"));
    }
}

impl ContainerGroup {
    /// Every process in the groups and below them.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn processes(&self) -> Result<Vec<i32>, Error> {
        let Some(part) = self.parts.first() else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        collect(&part.path, &mut found)?;
        Ok(found)
    }

    /// Removes the groups with all that are below them. Processes that are ending are waited for; missing groups are
    /// removed already.
    ///
    /// # Errors
    /// When a group keeps its processes.
    pub fn remove(&self) -> Result<(), Error> {
        self.parts.iter().try_for_each(|part| {
            let mut tries = 0;
            loop {
                match remove_all(&part.path) {
                    Err(error) if tries < TRIES && error.kind() == ErrorKind::ResourceBusy => sleep(PAUSE),
                    Err(error) => {
                        return Err(Error::kernel("remove", part.path.display().to_string(), error));
                    }
                    Ok(()) => return Ok(()),
                }
                tries += 1;
            }
        })
    }
}

fn collect(group: &Path, found: &mut Vec<i32>) -> Result<(), Error> {
    // A group may go while it is looked at.
    let Ok(text) = read(group, "cgroup.procs") else { return Ok(()) };
    found.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()).filter(|pid| *pid > 0));
    for child in children(group)? {
        collect(&child, found)?;
    }
    Ok(())
}

fn children(group: &Path) -> Result<Vec<std::path::PathBuf>, Error> {
    let failed = |source| Error::kernel("list", group.display().to_string(), source);
    let mut folders = Vec::new();
    for entry in fs::read_dir(group).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}

fn remove_all(group: &Path) -> std::io::Result<()> {
    match fs::remove_dir(group) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == ErrorKind::ResourceBusy => {}
        result => return result,
    }
    for child in children(group).unwrap_or_default() {
        remove_all(&child)?;
    }
    fs::remove_dir(group)
}
