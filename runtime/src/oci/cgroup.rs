//! The cgroup of a container, as an operation of the command line uses it.

use std::cell::Cell;
use std::os::fd::BorrowedFd;

use nix::libc::SIGKILL;
use nix::unistd::{Pid, geteuid};
use oci_spec::runtime::{LinuxDeviceCgroup, LinuxResources};
use serde::{Deserialize, Serialize};

use super::error::Error;
use crate::cgroup::{
    self, Seat,
    container::{ContainerGroup, Place, default_device_rules},
};
use crate::init::{Group, not_added};
use crate::rootfs::cgroup_tree::View;
use crate::spec::{MountKind, Plan};
use crate::systemd::{self, Scope};

/// How cgroups are found.
#[derive(Debug, Clone, Copy, Default)]
pub struct CgroupOptions {
    /// By systemd's transient units.
    pub systemd: bool,
    /// Whether a refused cgroup is no failure; unless told, an ordinary user's is not.
    pub rootless: Option<bool>,
}

/// Groups below a container's, by controller; without one, in all hierarchies.
pub type SubGroups = Vec<(Option<String>, String)>;

/// Where a container's cgroup is, and how it was made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Placed {
    place: Place,
    rootless: bool,
    /// The unit, where systemd makes the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<Scope>,
}

impl Placed {
    /// Finds the place without making anything.
    pub(super) fn locate(plan: &Plan, id: &str, options: &CgroupOptions) -> Result<Self, Error> {
        let rootless = options.rootless.unwrap_or(!geteuid().is_root() && !options.systemd);
        if options.systemd {
            let scope = Scope::parse(plan.cgroups_path(), id, !geteuid().is_root()).map_err(refused)?;
            let place = Place::absolute(&scope.group().map_err(refused)?);
            return Ok(Self { place, rootless, scope: Some(scope) });
        }
        let place = Place::locate(plan.cgroups_path(), id)?;
        Ok(Self { place, rootless, scope: None })
    }

    /// Makes the group with its limits.
    pub(super) fn create(&self, plan: &Plan) -> Result<FirstGroup, Error> {
        let group = ContainerGroup::create(&self.place, self.rootless)?;
        let made = FirstGroup { group, rootless: self.rootless, kept: Cell::new(false) };
        made.limit(plan)?;
        Ok(made)
    }

    /// The group that systemd has made around a process.
    pub(super) fn group_around(&self) -> Result<FirstGroup, Error> {
        let group = ContainerGroup::adopt(&self.place, self.rootless)?;
        Ok(FirstGroup { group, rootless: self.rootless, kept: Cell::new(false) })
    }

    /// The unit, where systemd makes the group once there is a process.
    pub(super) fn scope(&self) -> Option<&Scope> {
        self.scope.as_ref()
    }

    /// What a mount of type cgroup shows.
    pub(super) fn view(&self, plan: &Plan) -> Result<View, Error> {
        if !plan.mounts().iter().any(|mount| mount.kind == MountKind::Cgroup) {
            return Ok(View::Hidden);
        }
        // systemd makes it only around the process.
        let group = if self.scope.is_some() { ContainerGroup::planned(&self.place)? } else { self.open()? };
        Ok(group.view())
    }

    /// The group for another process.
    pub(super) fn join(&self, sub: &SubGroups, init: i32) -> Result<JoinedGroup, Error> {
        let mut group = self.open()?;
        for (controller, name) in sub {
            group = group.sub_group(controller.as_deref(), name)?;
        }
        group
            .open_for_clone(sub.is_empty().then_some(init))
            .map_err(|error| Error::said(not_added(error).message))?;
        Ok(JoinedGroup { group })
    }

    fn open(&self) -> Result<ContainerGroup, cgroup::Error> {
        ContainerGroup::open(&self.place)
    }

    /// Whether it is frozen; one that is gone is not.
    pub fn is_frozen(&self) -> bool {
        self.open().and_then(|group| group.is_frozen()).unwrap_or(false)
    }

    /// Freezes or thaws it.
    pub(super) fn set_frozen(&self, frozen: bool) -> Result<(), cgroup::Error> {
        self.open()?.set_frozen(frozen)
    }

    /// Sends a signal to every process in it.
    pub(super) fn signal(&self, signal: i32) -> Result<(), cgroup::Error> {
        self.open()?.signal(signal)
    }

    /// Every process in it, by its id on the host.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn processes(&self) -> Result<Vec<i32>, Error> {
        Ok(self.open()?.processes()?)
    }

    /// Other limits.
    pub(super) fn update(&self, resources: &LinuxResources) -> Result<(), Error> {
        let group = self.open()?;
        if let Some(scope) = &self.scope {
            scope.update(resources, group.is_v2()).map_err(refused)?;
        }
        Ok(group.apply(resources)?)
    }

    /// Removes it; what still lives in it is killed before, or, where `kills` is not given, is somebody else's and keeps it.
    pub(super) fn remove(&self, kills: bool) -> Result<(), Error> {
        let group = self.open()?;
        if kills && !group.processes().unwrap_or_default().is_empty() {
            group.signal(SIGKILL)?;
        }
        if let Some(scope) = &self.scope {
            scope.stop().map_err(refused)?;
        }
        match group.remove() {
            Err(_) if !kills && !group.processes().unwrap_or_default().is_empty() => Ok(()),
            result => Ok(result?),
        }
    }

    /// The group itself, for what only looks.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn group(&self) -> Result<ContainerGroup, Error> {
        Ok(self.open()?)
    }
}

fn refused(error: systemd::Error) -> Error {
    Error::said(error.to_string())
}

/// Every container has the usual devices; what the spec says comes after and may take them away again.
fn device_rules(plan: &Plan) -> Vec<LinuxDeviceCgroup> {
    let given = plan.resources().and_then(|resources| resources.devices().clone()).unwrap_or_default();
    given.into_iter().chain(default_device_rules()).collect()
}

/// The group of a new container; removed again, if nobody else is in it, unless it is kept.
#[derive(Debug)]
pub(super) struct FirstGroup {
    group: ContainerGroup,
    rootless: bool,
    kept: Cell<bool>,
}

impl Drop for FirstGroup {
    fn drop(&mut self) {
        if !self.kept.get() && self.group.warnings().is_empty() {
            // What led here is the failure to tell.
            let _partly = self.group.remove();
        }
    }
}

impl FirstGroup {
    /// Sets the limits and the devices of a plan.
    pub(super) fn limit(&self, plan: &Plan) -> Result<(), cgroup::Error> {
        if let Some(resources) = plan.resources() {
            self.group.apply(resources)?;
        }
        if self.rootless || !geteuid().is_root() {
            // Devices of the host are out of an ordinary user's reach anyway, and so are the rules.
            return Ok(());
        }
        self.group.apply_devices(&device_rules(plan))
    }

    /// The container is there.
    pub(super) fn keep(&self) {
        self.kept.set(true);
    }

    pub(super) fn is_kept(&self) -> bool {
        self.kept.get()
    }

    /// Moves a process in that is there already.
    pub(super) fn add(&self, pid: Pid) -> Result<(), cgroup::Error> {
        self.group.add(pid.as_raw())
    }

    /// What is odd but no failure.
    pub(super) fn warnings(&self) -> &[String] {
        self.group.warnings()
    }
}

impl Group for FirstGroup {
    fn clone_into_fd(&self) -> Option<BorrowedFd<'_>> {
        self.group.clone_into_fd()
    }

    fn seats(&self) -> Result<Vec<Seat>, cgroup::Error> {
        self.group.seats()
    }
}

/// The group of a process that joins.
#[derive(Debug)]
pub(super) struct JoinedGroup {
    group: ContainerGroup,
}

impl Group for JoinedGroup {
    fn clone_into_fd(&self) -> Option<BorrowedFd<'_>> {
        self.group.clone_into_fd()
    }

    fn seats(&self) -> Result<Vec<Seat>, cgroup::Error> {
        self.group.seats()
    }
}
