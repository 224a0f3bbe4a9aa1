//! The cgroup tree as a container sees it.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};
use nix::unistd::symlinkat;

use super::{filesystem, path};
use crate::failure::{Failure, during};
use crate::spec::{Attributes, MountPlan};
use crate::sys::mount::{
    MOUNT_ATTR_RDONLY, attach, fsconfig_create, fsconfig_flag, fsconfig_string, fsmount, fsopen, open_tree,
    set_attributes,
};

/// What is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View {
    /// An empty folder: the many hierarchies of version 1 would cost a machine more mounts than all the rest, and
    /// nothing inside may write to them.
    Hidden,
    /// The version 2 tree; of a container without a cgroup namespace, its own part of it, which is here on the host.
    Unified(Option<PathBuf>),
    /// Every hierarchy in a folder of its own.
    Hierarchies(Vec<Hierarchy>),
}

impl View {
    /// What a machine sees: the version 2 tree, where the host has nothing else.
    pub fn of_machine() -> Self {
        let unified = statfs("/sys/fs/cgroup").is_ok_and(|at| at.filesystem_type() == CGROUP2_SUPER_MAGIC);
        if unified { Self::Unified(None) } else { Self::Hidden }
    }
}

/// One hierarchy of a version 1 or hybrid host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Its folder below the tree, such as `cpu,cpuacct`.
    pub folder: String,
    /// Links that lead to it, such as `cpu`.
    pub links: Vec<String>,
    /// Flags that mount it, such as `cpu` and `cpuacct`; none for version 2.
    pub controllers: Vec<String>,
    /// Its name, where it has no controllers.
    pub name: Option<String>,
    /// The container's own part on the host.
    pub path: PathBuf,
}

/// Mounts the tree at the plan's target.
///
/// # Errors
/// With the place and what the kernel said.
pub fn mount(root: BorrowedFd<'_>, plan: &MountPlan, view: &View, namespaced: bool) -> Result<(), Failure> {
    match view {
        View::Hidden => filesystem::mount(root, &plain(plan), c"tmpfs"),
        View::Unified(_) if namespaced => filesystem::mount(root, &plain(plan), c"cgroup2"),
        View::Unified(path) => mount_part(root, plan, path.as_deref()),
        View::Hierarchies(hierarchies) => mount_all(root, plan, hierarchies, namespaced),
    }
}

/// Options of the tmpfs and of the hierarchies are ours.
fn plain(plan: &MountPlan) -> MountPlan {
    MountPlan { options: Vec::new(), source: Some("cgroup".into()), ..plan.clone() }
}

fn mount_part(root: BorrowedFd<'_>, plan: &MountPlan, path: Option<&Path>) -> Result<(), Failure> {
    let path = path.unwrap_or(Path::new("/sys/fs/cgroup"));
    let what = || format!("bind `{}` at `{}`", path.display(), plan.target.display());
    let place = path::make_folder(root, &plan.target).map_err(during(what()))?;
    let part = bind(path, plan.attributes).map_err(during(what()))?;
    attach(part.as_fd(), place.as_fd()).map_err(during(what()))
}

fn mount_all(
    root: BorrowedFd<'_>,
    plan: &MountPlan,
    hierarchies: &[Hierarchy],
    namespaced: bool,
) -> Result<(), Failure> {
    let writable = Attributes { set: plan.attributes.set & !MOUNT_ATTR_RDONLY, clear: plan.attributes.clear };
    let base = MountPlan {
        attributes: writable,
        options: vec![(c"mode".to_owned(), Some(c"755".to_owned()))],
        ..plain(plan)
    };
    filesystem::mount(root, &base, c"tmpfs")?;
    let folder = path::open_path(root, &plan.target).map_err(during("open the cgroup tree"))?;
    for hierarchy in hierarchies {
        let what = || format!("mount the cgroup hierarchy `{}`", hierarchy.folder);
        mount_hierarchy(folder.as_fd(), plan, hierarchy, namespaced).map_err(during(what()))?;
    }
    if plan.attributes.set & MOUNT_ATTR_RDONLY != 0 {
        set_attributes(folder.as_fd(), MOUNT_ATTR_RDONLY, None)
            .map_err(during("make the cgroup tree read-only"))?;
    }
    Ok(())
}

fn mount_hierarchy(
    folder: BorrowedFd<'_>,
    plan: &MountPlan,
    hierarchy: &Hierarchy,
    namespaced: bool,
) -> Result<(), Errno> {
    let place = path::make_folder(folder, Path::new(&hierarchy.folder))?;
    let mount = match namespaced {
        true => new(plan, hierarchy)?,
        false => bind(&hierarchy.path, plan.attributes)?,
    };
    attach(mount.as_fd(), place.as_fd())?;
    let target = hierarchy.folder.as_str();
    hierarchy.links.iter().try_for_each(|link| symlinkat(target, folder, link.as_str()))
}

fn new(plan: &MountPlan, hierarchy: &Hierarchy) -> Result<OwnedFd, Errno> {
    let text = |text: &str| CString::new(text).map_err(|_| Errno::EINVAL);
    let is_unified = hierarchy.controllers.is_empty() && hierarchy.name.is_none();
    let context = fsopen(if is_unified { c"cgroup2" } else { c"cgroup" })?;
    fsconfig_string(context.as_fd(), c"source", c"cgroup")?;
    for controller in &hierarchy.controllers {
        fsconfig_flag(context.as_fd(), &text(controller)?)?;
    }
    if let Some(name) = &hierarchy.name {
        fsconfig_flag(context.as_fd(), c"none")?;
        fsconfig_string(context.as_fd(), c"name", &text(name)?)?;
    }
    fsconfig_create(context.as_fd())?;
    fsmount(context.as_fd(), plan.attributes.set)
}

fn bind(path: &Path, attributes: Attributes) -> Result<OwnedFd, Errno> {
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    let part = open_tree(AT_FDCWD, &name)?;
    if attributes.set != 0 {
        set_attributes(part.as_fd(), attributes.set, None)?;
    }
    Ok(part)
}
