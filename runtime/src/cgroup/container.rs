//! The cgroup of an OCI container: one group of the same purpose in every mounted hierarchy, wherever an engine wants it.
//!
//! Limits come as the specification has them ([`oci_spec::runtime::LinuxResources`]), one file a controller, for version 1
//! and 2. Apart from the tree of the sessions, whose shape is fixed and which is held by descriptors.

mod blkio;
mod cpu;
mod cpuset;
mod devices;
mod file;
mod freezer;
mod hugetlb;
mod memory;
mod network;
mod notice;
mod place;
mod rdma;
mod roots;
mod stats;
mod tree;
mod unified;
mod view;

use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxResources};

use super::folder::Folder;
use super::seat::no_entry;
use super::{Error, Seat};
pub use devices::default_device_rules;
use file::{exists, read, write};
pub use notice::OomCount;
pub use place::Place;
use roots::{Root, discover};

/// A container's group in one hierarchy.
#[derive(Debug, Clone)]
struct Part {
    root: Root,
    /// Absolute path of its folder.
    path: PathBuf,
}

/// The groups of one container.
#[derive(Debug)]
pub struct ContainerGroup {
    parts: Vec<Part>,
    /// The folder in the version 2 hierarchy, for clones into it.
    unified: Option<Folder>,
    warnings: Vec<String>,
}

impl ContainerGroup {
    /// Makes the groups wherever they are missing. Where `rootless`, a hierarchy in which that is refused is left out.
    ///
    /// # Errors
    /// When the kernel refuses, or a group that is there already is frozen.
    pub fn create(place: &Place, rootless: bool) -> Result<Self, Error> {
        let mut group = Self::adopt(place, rootless)?;
        group.check_unused()?;
        Ok(group)
    }

    /// As [`ContainerGroup::create`], where the container's process is in some of the groups already.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn adopt(place: &Place, rootless: bool) -> Result<Self, Error> {
        let mut group = Self { parts: Vec::new(), unified: None, warnings: Vec::new() };
        for root in discover()? {
            let path = place.in_root(&root);
            match tree::make(&root, &path) {
                Ok(()) => group.parts.push(Part { root, path }),
                Err(error) if rootless && error.is_refusal() => {}
                Err(error) => return Err(error),
            }
        }
        if let Some(part) = group.parts.iter().find(|part| part.root.is_unified()) {
            group.unified = Some(Folder::open_root(&part.path.to_string_lossy())?);
        }
        Ok(group)
    }

    /// The groups of a container that was made before. Those that are gone are left out.
    ///
    /// # Errors
    /// When the hierarchies cannot be found.
    pub fn open(place: &Place) -> Result<Self, Error> {
        let part = |root: Root| Part { path: place.in_root(&root), root };
        let parts = discover()?.into_iter().map(part).filter(|part| exists(&part.path, "")).collect();
        Ok(Self { parts, unified: None, warnings: Vec::new() })
    }

    /// The groups of a place, made or not.
    ///
    /// # Errors
    /// When the hierarchies cannot be found.
    pub fn planned(place: &Place) -> Result<Self, Error> {
        let part = |root: Root| Part { path: place.in_root(&root), root };
        let parts = discover()?.into_iter().map(part).collect();
        Ok(Self { parts, unified: None, warnings: Vec::new() })
    }

    /// Whether the host has version 2 and nothing else.
    pub fn is_v2(&self) -> bool {
        self.parts.iter().all(|part| part.root.is_unified())
    }

    fn check_unused(&mut self) -> Result<(), Error> {
        if self.is_frozen()? {
            return Err(Error::Said("container's cgroup unexpectedly frozen".to_owned()));
        }
        let processes = self.processes()?.len();
        if processes > 0 {
            self.warnings.push(format!("container's cgroup is not empty: {processes} process(es) found"));
        }
        Ok(())
    }

    /// What is odd but no failure.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Puts limits in force; what is not given stays as it is.
    ///
    /// # Errors
    /// When a controller is missing that a limit needs, or the kernel refuses a value.
    pub fn apply(&self, resources: &LinuxResources) -> Result<(), Error> {
        unified::check(self, resources.unified().as_ref())?;
        resources.memory().as_ref().map_or(Ok(()), |memory| memory::set(self, memory))?;
        resources.cpu().as_ref().map_or(Ok(()), |cpu| cpu::set(self, cpu))?;
        resources.cpu().as_ref().map_or(Ok(()), |cpu| cpuset::set(self, cpu))?;
        resources.pids().as_ref().map_or(Ok(()), |pids| self.set_pids(pids.limit()))?;
        resources.block_io().as_ref().map_or(Ok(()), |io| blkio::set(self, io))?;
        hugetlb::set(self, resources.hugepage_limits().as_deref().unwrap_or_default())?;
        resources.network().as_ref().map_or(Ok(()), |network| network::set(self, network))?;
        resources.rdma().as_ref().map_or(Ok(()), |rdma| rdma::set(self, rdma))?;
        unified::set(self, resources.unified().as_ref())
    }

    /// 0 is no answer, less than 0 no limit.
    fn set_pids(&self, limit: i64) -> Result<(), Error> {
        match limit {
            0 => Ok(()),
            limit if limit < 0 => write(self.needed("pids")?.path(), "pids.max", "max"),
            limit => write(self.needed("pids")?.path(), "pids.max", &limit.to_string()),
        }
    }

    /// Restricts devices to what the rules allow; the last rule that fits decides, and without one nothing is allowed.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn apply_devices(&self, rules: &[LinuxDeviceCgroup]) -> Result<(), Error> {
        devices::set(self, rules)
    }

    /// Moves a process in, in every hierarchy.
    ///
    /// # Errors
    /// When the kernel refuses in one.
    pub fn add(&self, pid: i32) -> Result<(), Error> {
        self.parts.iter().try_for_each(|part| write(&part.path, "cgroup.procs", &pid.to_string()))
    }

    /// Opens the version 2 group for clones into it. Where it has groups below it and takes no process any more, that is
    /// the group of the process `init`.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open_for_clone(&mut self, init: Option<i32>) -> Result<(), Error> {
        let Some(part) = self.parts.iter().find(|part| part.root.is_unified()) else { return Ok(()) };
        let path = match init {
            Some(init) if !read(&part.path, "cgroup.subtree_control")?.trim().is_empty() => {
                part.root.mount.join(part.root.path_of(init)?.trim_start_matches('/'))
            }
            _ => part.path.clone(),
        };
        let folder = Folder::open_root(&path.to_string_lossy()).map_err(|error| match error.errno() {
            Some(errno) => no_entry(&path, std::io::Error::from_raw_os_error(errno)),
            None => error,
        });
        self.unified = Some(folder?);
        Ok(())
    }

    /// For CLONE_INTO_CGROUP.
    pub fn clone_into_fd(&self) -> Option<BorrowedFd<'_>> {
        self.unified.as_ref().map(AsFd::as_fd)
    }

    /// Where a process moves itself in that was cloned into [`ContainerGroup::clone_into_fd`].
    ///
    /// # Errors
    /// When one cannot be opened.
    pub fn seats(&self) -> Result<Vec<Seat>, Error> {
        self.parts.iter().filter(|part| !part.root.is_unified()).map(|part| Seat::open(&part.path)).collect()
    }

    /// The same groups, with a group below them in the hierarchy of `controller`, or in all.
    ///
    /// # Errors
    /// When the name leads out, or there is no such controller.
    pub fn sub_group(&self, controller: Option<&str>, name: &str) -> Result<Self, Error> {
        let mut parts = self.parts.clone();
        let mut found = false;
        for part in &mut parts {
            if controller.is_none_or(|controller| part.root.has(controller)) {
                part.path = below(&part.path, name)?;
                found = true;
            }
        }
        match controller {
            Some(controller) if !found => {
                Err(Error::Said(format!("unknown controller {controller} in SubCgroupPaths")))
            }
            _ => Ok(Self { parts, unified: None, warnings: Vec::new() }),
        }
    }

    /// The part with a controller, if the host has it.
    fn with(&self, controller: &str) -> Option<With<'_>> {
        let first = self.parts.iter().find(|part| !part.root.is_unified() && part.root.has(controller));
        let second = || {
            let available = |part: &&Part| part.root.is_unified() && part.root.offers(&part.path, controller);
            self.parts.iter().find(available)
        };
        first.map(|part| With::First(&part.path)).or_else(|| second().map(|part| With::Second(&part.path)))
    }

    fn needed(&self, controller: &'static str) -> Result<With<'_>, Error> {
        let missing = || {
            Error::Said(format!("cannot set {controller} limit: container could not join or create cgroup"))
        };
        self.with(controller).ok_or_else(missing)
    }
}

/// A folder with a controller, by version.
#[derive(Debug, Clone, Copy)]
enum With<'a> {
    First(&'a Path),
    Second(&'a Path),
}

impl<'a> With<'a> {
    fn path(self) -> &'a Path {
        match self {
            Self::First(path) | Self::Second(path) => path,
        }
    }
}

fn below(path: &Path, name: &str) -> Result<PathBuf, Error> {
    let mut whole = path.to_owned();
    for part in Path::new(name).components() {
        match part {
            std::path::Component::Normal(part) => whole.push(part),
            std::path::Component::ParentDir => drop(whole.pop()),
            _ => {}
        }
    }
    let inside = whole.starts_with(path);
    if inside { Ok(whole) } else { Err(Error::Said(format!("{name} is not a sub cgroup path"))) }
}
