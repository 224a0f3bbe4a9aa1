//! Memory and swap (config-linux.md, "Memory"; cgroup-v1/memory.rst and cgroup-v2.rst of the kernel).

use std::path::Path;

use nix::libc::EBUSY;
use oci_spec::runtime::LinuxMemory;

use super::file::{exists, number, write};
use super::{ContainerGroup, With};
use crate::cgroup::Error;

pub(super) fn set(group: &ContainerGroup, memory: &LinuxMemory) -> Result<(), Error> {
    let asked =
        [memory.limit(), memory.reservation(), memory.swap()].iter().any(|given| given.unwrap_or(0) != 0);
    let tuned = memory.swappiness().is_some() || memory.disable_oom_killer() == Some(true);
    if !asked && !tuned {
        return Ok(());
    }
    match group.needed("memory")? {
        With::First(folder) => set_v1(folder, memory),
        With::Second(folder) => set_v2(folder, memory),
    }
}

fn set_v1(folder: &Path, memory: &LinuxMemory) -> Result<(), Error> {
    let (limit, mut swap) = (memory.limit().unwrap_or(0), memory.swap().unwrap_or(0));
    if limit == -1 && swap == 0 && exists(folder, "memory.memsw.limit_in_bytes") {
        swap = -1;
    }
    // Memory alone may never exceed memory and swap: raising needs the other order than lowering.
    let raises = swap == -1
        || u64::try_from(swap)
            .is_ok_and(|swap| number(folder, "memory.limit_in_bytes").is_ok_and(|current| current < swap));
    if limit != 0 && swap != 0 && raises {
        put(folder, "memory.memsw.limit_in_bytes", swap)?;
        limit_v1(folder, limit)?;
    } else {
        limit_v1(folder, limit)?;
        put(folder, "memory.memsw.limit_in_bytes", swap)?;
    }
    put(folder, "memory.soft_limit_in_bytes", memory.reservation().unwrap_or(0))?;
    put(folder, "memory.kmem.tcp.limit_in_bytes", memory.kernel_tcp().unwrap_or(0))?;
    if memory.disable_oom_killer() == Some(true) {
        write(folder, "memory.oom_control", "1")?;
    }
    match memory.swappiness() {
        Some(value) if value <= 100 => write(folder, "memory.swappiness", &value.to_string()),
        Some(value) => {
            Err(Error::Said(format!("invalid memory swappiness value: {value} (valid range is 0-100)")))
        }
        None => Ok(()),
    }
}

/// 0 is no answer.
fn put(folder: &Path, file: &str, value: i64) -> Result<(), Error> {
    if value == 0 { Ok(()) } else { write(folder, file, &value.to_string()) }
}

/// The kernel says no more than busy when the limit lies below what is in use.
fn limit_v1(folder: &Path, limit: i64) -> Result<(), Error> {
    match put(folder, "memory.limit_in_bytes", limit) {
        Err(error) if error.errno() == Some(EBUSY) => {
            let usage = number(folder, "memory.usage_in_bytes")?;
            let peak = number(folder, "memory.max_usage_in_bytes")?;
            Err(too_low(limit, usage, peak))
        }
        result => result,
    }
}

fn too_low(limit: i64, usage: u64, peak: u64) -> Error {
    Error::Said(format!("unable to set memory limit to {limit} (current usage: {usage}, peak usage: {peak})"))
}

fn set_v2(folder: &Path, memory: &LinuxMemory) -> Result<(), Error> {
    if memory.disable_oom_killer() == Some(true) {
        return Err(Error::Said("memory.disableOOMKiller is not available on cgroup v2".to_owned()));
    }
    if memory.swappiness().is_some() {
        return Err(Error::Said("memory.swappiness is not available on cgroup v2".to_owned()));
    }
    let (limit, swap) = (memory.limit().unwrap_or(0), memory.swap().unwrap_or(0));
    let swap = swap_alone(limit, swap)?;
    if swap != 0 || swap_is_none(memory) {
        // Without swap on the host the file may be missing, and there is nothing to be limited.
        if swap > 0 || exists(folder, "memory.swap.max") {
            write(folder, "memory.swap.max", &text(swap))?;
        }
    }
    if limit != 0 {
        if memory.check_before_update() == Some(true) && limit > 0 {
            let usage = number(folder, "memory.current")?;
            if u64::try_from(limit).is_ok_and(|limit| limit < usage) {
                return Err(too_low(limit, usage, usage));
            }
        }
        write(folder, "memory.max", &text(limit))?;
    }
    match memory.reservation().unwrap_or(0) {
        0 => Ok(()),
        value => write(folder, "memory.low", &text(value)),
    }
}

fn text(value: i64) -> String {
    if value < 0 { "max".to_owned() } else { value.to_string() }
}

/// A swap equal to the limit leaves none.
fn swap_is_none(memory: &LinuxMemory) -> bool {
    matches!((memory.limit(), memory.swap()), (Some(limit), Some(swap)) if limit == swap && limit > 0)
}

/// The specification counts memory and swap together, version 2 swap alone.
fn swap_alone(limit: i64, swap: i64) -> Result<i64, Error> {
    match (limit, swap) {
        (-1, 0) => Ok(-1),
        (_, -1 | 0) => Ok(swap),
        (_, swap) if swap < 0 => Err(Error::Said(format!("invalid memory swap value: {swap}"))),
        (0 | -1, _) => Err(Error::Said("unable to set swap limit without memory limit".to_owned())),
        (limit, swap) if swap < limit => {
            Err(Error::Said("memory+swap limit should be >= memory limit".to_owned()))
        }
        (limit, swap) => Ok(swap - limit),
    }
}

#[cfg(test)]
mod tests {
    use super::swap_alone;

    #[test]
    fn swap_is_counted_alone() {
        assert_eq!(swap_alone(100, 150).unwrap(), 50);
        assert_eq!(swap_alone(100, -1).unwrap(), -1);
        assert_eq!(swap_alone(-1, 0).unwrap(), -1);
        assert_eq!(swap_alone(0, 0).unwrap(), 0);
        assert!(swap_alone(0, 100).is_err() && swap_alone(100, 50).is_err());
    }
}
