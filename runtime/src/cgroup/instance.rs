//! The group of one instance: its limits stand here, its processes in the leaves below.

use std::fs::File;

use nix::fcntl::OFlag;

use super::devices::DeviceNumber;
use super::group::{Group, Part};
use super::hierarchy::Controller;
use super::leaf::{Leaf, LeafName};
use super::{Error, OomNotice, Usage, limits, oom, stats};
use crate::supervisor::protocol::Limits;

/// Whether a group is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Removal {
    /// Nothing of it is left.
    Gone,
    /// Processes, or the kernel's remains of them, hold it: try again when they are gone.
    Busy,
}

impl Removal {
    pub(super) fn from_gone(gone: bool) -> Self {
        if gone { Self::Gone } else { Self::Busy }
    }
}

/// An open instance. It holds one descriptor for each hierarchy; opening it anew costs microseconds.
#[derive(Debug)]
pub struct Instance {
    group: Group,
}

impl Instance {
    pub(super) fn new(group: Group) -> Self {
        Self { group }
    }

    /// Sets the limits. May be repeated with other limits.
    ///
    /// # Errors
    /// When the kernel refuses one: nothing may run in the instance then.
    pub fn set_limits(&self, limits: &Limits, device: Option<DeviceNumber>) -> Result<(), Error> {
        self.apply(Controller::Memory, |part| match part.unified {
            true => limits::v2::memory(&part.folder, limits),
            false => limits::v1::memory(&part.folder, limits),
        })?;
        self.apply(Controller::Cpu, |part| match part.unified {
            true => limits::v2::cpu(&part.folder, limits),
            false => limits::v1::cpu(&part.folder, limits),
        })?;
        self.apply(Controller::Io, |part| match part.unified {
            true => limits::v2::io(&part.folder, limits, device),
            false => limits::v1::io(&part.folder, limits, device),
        })?;
        self.apply(Controller::Pids, |part| limits::pids(&part.folder, limits))
    }

    fn apply(
        &self,
        controller: Controller,
        set: impl FnOnce(&Part) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.group.with(controller).map_or(Ok(()), set)
    }

    /// Opens a leaf, and makes it first where it is missing.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn leaf(&self, name: LeafName) -> Result<Leaf, Error> {
        Ok(Leaf::new(self.group.create_leaf(&name.to_string())?))
    }

    /// Removes a leaf.
    ///
    /// # Errors
    /// When the kernel refuses for another reason than processes in it.
    pub fn remove_leaf(&self, name: LeafName) -> Result<Removal, Error> {
        self.group.remove(&name.to_string()).map(Removal::from_gone)
    }

    /// What the instance uses now and has used.
    ///
    /// # Errors
    /// When the kernel refuses or answers what it never should.
    pub fn usage(&self) -> Result<Usage, Error> {
        stats::read(&self.group)
    }

    /// The file that tells the cpu time that the instance has used; it costs a microsecond to read.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn cpu_time(&self) -> Result<File, Error> {
        stats::cpu_time(&self.group)
    }

    /// Processes killed at the memory limit since the instance was made. On version 1 those in removed leaves no
    /// longer count.
    ///
    /// # Errors
    /// As for [`Instance::usage`].
    pub fn oom_kills(&self) -> Result<u64, Error> {
        stats::oom_kills(&self.group)
    }

    /// A descriptor that tells of processes killed at the memory limit.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn oom_notice(&self) -> Result<OomNotice, Error> {
        oom::notice(&self.group)
    }

    /// Where there is a version 2 hierarchy: a file that polls as `POLLPRI` when the last process ends (read it again
    /// after each event). Elsewhere ask [`Instance::is_empty`] from time to time.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn populated_events(&self) -> Result<Option<File>, Error> {
        self.group.unified().map(|folder| folder.file("cgroup.events", OFlag::O_RDONLY)).transpose()
    }

    /// Freezes or thaws every process.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set_frozen(&self, frozen: bool) -> Result<(), Error> {
        self.group.set_frozen(frozen)
    }

    /// Sends SIGKILL to every process. They are gone once [`Instance::is_empty`] says so.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill(&self) -> Result<(), Error> {
        self.group.kill()
    }

    /// Whether no process lives in it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn is_empty(&self) -> Result<bool, Error> {
        self.group.is_empty()
    }
}
