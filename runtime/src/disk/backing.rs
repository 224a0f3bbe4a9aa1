//! Finding the disk below a file system.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::stat::{major, minor};

use crate::cgroup::DeviceNumber;

/// The whole disk that a folder is on: io limits are of disks, not of their partitions.
pub fn device_below(folder: &Path) -> Option<DeviceNumber> {
    let device = fs::metadata(folder).ok()?.dev();
    let place = format!("/sys/dev/block/{}:{}", major(device), minor(device));
    if !Path::new(&place).join("partition").exists() {
        fs::metadata(&place).ok()?;
        return number(major(device), minor(device));
    }
    let text = fs::read_to_string(Path::new(&place).join("../dev")).ok()?;
    let (major, minor) = text.trim().split_once(':')?;
    number(major.parse().ok()?, minor.parse().ok()?)
}

fn number(major: u64, minor: u64) -> Option<DeviceNumber> {
    Some(DeviceNumber { major: u32::try_from(major).ok()?, minor: u32::try_from(minor).ok()? })
}
