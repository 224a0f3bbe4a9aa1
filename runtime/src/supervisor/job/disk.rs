//! Disks made ahead, and taken by those who come.

use std::os::fd::{AsFd, BorrowedFd};

use super::{DiskAhead, refused};
use crate::disk::Ready;
use crate::supervisor::ground::Ground;
use crate::supervisor::name::InstanceIndex;
use crate::supervisor::protocol::{Machine, Refusal};
use crate::supervisor::worker::{Report, Reporter};

/// Makes one; its mount goes to the supervisor.
pub(super) fn make(ground: &Ground, bytes: u64, number: u32, reporter: &Reporter) -> Result<(), Refusal> {
    let failed = |error: &dyn std::fmt::Display| refused("make a disk ahead", error);
    match ground.driver.prepare(bytes, number).map_err(|error| failed(&error))? {
        Some(mount) => reporter.send(&Report::Opened, &[mount.as_fd()]).map_err(|error| failed(&error)),
        None => Ok(()),
    }
}

/// The disks that were given to this worker, by their instances.
pub(super) fn take(
    ground: &Ground,
    machines: &[Machine],
    disks: &[DiskAhead],
    given: &[BorrowedFd<'_>],
) -> Result<Vec<(InstanceIndex, Ready)>, Refusal> {
    let taken = disks.iter().zip(given).filter_map(|(disk, mount)| {
        let machine = machines.iter().find(|machine| machine.index == disk.instance)?;
        let mount = mount.try_clone_to_owned().map_err(|error| refused("take a disk made ahead", &error));
        let bytes = machine.limits.disk_bytes;
        Some(mount.map(|mount| (disk.instance, ground.driver.ready(bytes, disk.number, mount))))
    });
    taken.collect()
}
