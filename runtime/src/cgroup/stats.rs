//! Reading what an instance uses.

use std::fs::File;

use nix::fcntl::OFlag;

use super::Error;
use super::folder::Folder;
use super::group::{Group, Part};
use super::hierarchy::Controller;

/// Usage of one instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Memory charged, in bytes.
    pub memory_bytes: u64,
    /// Cpu time used, in microseconds.
    pub cpu_usec: u64,
    /// Processes and threads.
    pub pids: u64,
    /// Processes killed at the memory limit.
    pub oom_kills: u64,
}

pub(super) fn read(group: &Group) -> Result<Usage, Error> {
    Ok(Usage {
        memory_bytes: memory_bytes(part(group, Controller::Memory, "memory")?)?,
        cpu_usec: cpu_usec(group)?,
        pids: part(group, Controller::Pids, "pids")?.folder.read_number("pids.current")?,
        oom_kills: oom_kills(group)?,
    })
}

fn part<'a>(group: &'a Group, controller: Controller, name: &'static str) -> Result<&'a Part, Error> {
    group.with(controller).ok_or(Error::NoController(name))
}

fn memory_bytes(part: &Part) -> Result<u64, Error> {
    part.folder.read_number(if part.unified { "memory.current" } else { "memory.usage_in_bytes" })
}

fn cpu_usec(group: &Group) -> Result<u64, Error> {
    if let Some(part) = group.with(Controller::CpuAcct) {
        return Ok(part.folder.read_number("cpuacct.usage")? / 1000);
    }
    // Version 2 counts cpu time in every group, also without the controller.
    let folder = group.unified().ok_or(Error::NoController("cpuacct"))?;
    folder.read_keyed("cpu.stat", "usage_usec")
}

/// The file of a group's cpu time.
pub(super) fn cpu_time(group: &Group) -> Result<File, Error> {
    if let Some(part) = group.with(Controller::CpuAcct) {
        return part.folder.file("cpuacct.usage", OFlag::O_RDONLY);
    }
    let folder = group.unified().ok_or(Error::NoController("cpuacct"))?;
    folder.file("cpu.stat", OFlag::O_RDONLY)
}

pub(super) fn oom_kills(group: &Group) -> Result<u64, Error> {
    let part = part(group, Controller::Memory, "memory")?;
    if part.unified {
        return part.folder.read_keyed("memory.events", "oom_kill");
    }
    oom_kills_v1(&part.folder)
}

/// Version 1 counts a kill only in the group of the process that died, and keeps no sum.
fn oom_kills_v1(folder: &Folder) -> Result<u64, Error> {
    let mut kills = folder.read_keyed("memory.oom_control", "oom_kill")?;
    for name in folder.children()? {
        if let Some(child) = folder.open(&name)? {
            kills += oom_kills_v1(&child)?;
        }
    }
    Ok(kills)
}
