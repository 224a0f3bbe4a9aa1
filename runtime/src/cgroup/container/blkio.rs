//! Block devices (config-linux.md, "Block IO").

use std::path::Path;

use oci_spec::runtime::{LinuxBlockIo, LinuxThrottleDevice};

use super::file::{exists, write};
use super::{ContainerGroup, With};
use crate::cgroup::Error;

pub(super) fn set(group: &ContainerGroup, io: &LinuxBlockIo) -> Result<(), Error> {
    let weights = io.weight().unwrap_or(0) != 0 || io.leaf_weight().unwrap_or(0) != 0;
    let devices = io.weight_device().as_ref().is_some_and(|list| !list.is_empty());
    let throttles = throttles(io).iter().any(|(_, _, list)| !list.is_empty());
    if !weights && !devices && !throttles {
        return Ok(());
    }
    match group.needed("blkio")? {
        With::First(folder) => set_v1(folder, io),
        With::Second(folder) => set_v2(folder, io),
    }
}

type Throttles<'a> = [(&'static str, &'static str, &'a [LinuxThrottleDevice]); 4];

/// File of version 1, key of version 2, values.
fn throttles(io: &LinuxBlockIo) -> Throttles<'_> {
    let list = |given: &'static str, key, list| (given, key, list);
    [
        list(
            "blkio.throttle.read_bps_device",
            "rbps",
            io.throttle_read_bps_device().as_deref().unwrap_or_default(),
        ),
        list(
            "blkio.throttle.write_bps_device",
            "wbps",
            io.throttle_write_bps_device().as_deref().unwrap_or_default(),
        ),
        list(
            "blkio.throttle.read_iops_device",
            "riops",
            io.throttle_read_iops_device().as_deref().unwrap_or_default(),
        ),
        list(
            "blkio.throttle.write_iops_device",
            "wiops",
            io.throttle_write_iops_device().as_deref().unwrap_or_default(),
        ),
    ]
}

/// The file that this kernel's scheduler has.
fn either<'a>(folder: &Path, first: &'a str, second: &'a str) -> &'a str {
    if exists(folder, first) { first } else { second }
}

fn set_v1(folder: &Path, io: &LinuxBlockIo) -> Result<(), Error> {
    if let Some(weight) = io.weight().filter(|weight| *weight != 0) {
        write(folder, either(folder, "blkio.weight", "blkio.bfq.weight"), &weight.to_string())?;
    }
    if let Some(weight) = io.leaf_weight().filter(|weight| *weight != 0) {
        write(folder, "blkio.leaf_weight", &weight.to_string())?;
    }
    for device in io.weight_device().iter().flatten() {
        let line = |weight| format!("{}:{} {weight}", device.major(), device.minor());
        if let Some(weight) = device.weight() {
            let file = either(folder, "blkio.weight_device", "blkio.bfq.weight_device");
            write(folder, file, &line(weight))?;
        }
        if let Some(weight) = device.leaf_weight() {
            write(folder, "blkio.leaf_weight_device", &line(weight))?;
        }
    }
    for (file, _, list) in throttles(io) {
        for device in list {
            write(folder, file, &format!("{}:{} {}", device.major(), device.minor(), device.rate()))?;
        }
    }
    Ok(())
}

fn set_v2(folder: &Path, io: &LinuxBlockIo) -> Result<(), Error> {
    if io.leaf_weight().unwrap_or(0) != 0 {
        return Err(Error::Said("blockIO.leafWeight is not available on cgroup v2".to_owned()));
    }
    if let Some(weight) = io.weight().filter(|weight| *weight != 0) {
        match exists(folder, "io.bfq.weight") {
            true => write(folder, "io.bfq.weight", &weight.to_string())?,
            false => write(folder, "io.weight", &converted(weight).to_string())?,
        }
    }
    for device in io.weight_device().iter().flatten() {
        if let Some(weight) = device.weight() {
            let line = format!("{}:{} {weight}", device.major(), device.minor());
            write(folder, "io.bfq.weight", &line)?;
        }
    }
    for (_, key, list) in throttles(io) {
        for device in list {
            let line = format!("{}:{} {key}={}", device.major(), device.minor(), device.rate());
            write(folder, "io.max", &line)?;
        }
    }
    Ok(())
}

/// From 10 to 1000 to 1 to 10000.
fn converted(weight: u16) -> u64 {
    1 + (u64::from(weight).clamp(10, 1000) - 10) * 9999 / 990
}
