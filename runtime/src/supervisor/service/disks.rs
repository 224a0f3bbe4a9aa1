//! Disks made ahead: while nothing else is to be done, a few of the size that was asked for last.

use std::os::fd::OwnedFd;
use std::time::Duration;

use super::Supervisor;
use crate::disk::{Kind, Ready};
use crate::supervisor::clock::Moment;
use crate::supervisor::job::{DiskAhead, Job};
use crate::supervisor::log;
use crate::supervisor::protocol::{Machine, Refusal};
use crate::supervisor::worker::Task;

/// After a failure none is made for so long.
const PAUSE: Duration = Duration::from_secs(60);
/// The node rests when no worker has run for so long: a terminal follows a start at once.
const REST: Duration = Duration::from_millis(100);

/// What is ready, and what is wanted.
#[derive(Debug, Default)]
pub(super) struct Disks {
    ready: Vec<Ready>,
    /// Size of the disk that was asked for last.
    wanted: Option<u64>,
    last_number: u32,
    /// None is made before.
    not_before: Option<Moment>,
}

impl Supervisor {
    /// Disks for machines that are about to start, as far as there are any of their size, with their mounts.
    pub(super) fn take_disks(&mut self, machines: &[Machine]) -> (Vec<DiskAhead>, Vec<OwnedFd>) {
        let (mut disks, mut mounts) = (Vec::new(), Vec::new());
        if self.ground.driver.kind() != Kind::Ext4Image {
            return (disks, mounts);
        }
        for machine in machines {
            self.disks.wanted = Some(machine.limits.disk_bytes);
            let ready = &mut self.disks.ready;
            let fits = ready.iter().position(|disk| disk.bytes() == machine.limits.disk_bytes);
            let Some(disk) = fits.map(|at| ready.swap_remove(at)) else { continue };
            disks.push(DiskAhead { instance: machine.index, number: disk.number() });
            mounts.push(disk.into_mount());
        }
        (disks, mounts)
    }

    /// When the next one is made, if one is wanted.
    pub(super) fn next_disk(&self) -> Option<Moment> {
        let fitting = self.disks.ready.iter().filter(|disk| Some(disk.bytes()) == self.disks.wanted);
        let wanted = self.disks.wanted.is_some() && fitting.count() < self.ground.node.ready_disks as usize;
        let rests = self.workers.is_empty() && self.reexec.is_none() && self.down.is_none();
        self.disks.not_before.filter(|_| wanted && rests)
    }

    /// Makes one, if nobody waits for anything and one is wanted.
    pub(super) fn make_disk_ahead(&mut self) {
        if !self.workers.is_empty() {
            self.put_disks_off(REST);
        }
        let due = self.next_disk().is_some_and(|at| at <= Moment::now());
        let Some(bytes) = self.disks.wanted.filter(|_| due) else { return };
        self.discard_other_sizes(bytes);
        self.disks.last_number = self.disks.last_number.wrapping_add(1);
        let number = self.disks.last_number;
        let employed = self.employ(Task::Disk { bytes, number }, Job::Disk { bytes, number }, &[]);
        if let Err(refusal) = employed {
            self.pause_disks(&refusal);
        }
    }

    /// The worker that made one is through. Without a mount the driver makes none ahead.
    pub(super) fn on_disk_made(
        &mut self,
        bytes: u64,
        number: u32,
        result: Result<(), Refusal>,
        mount: Option<OwnedFd>,
    ) {
        match (result, mount) {
            (Ok(()), Some(mount)) => self.disks.ready.push(self.ground.driver.ready(bytes, number, mount)),
            (Ok(()), None) => self.put_disks_off(PAUSE),
            (Err(refusal), _) => self.pause_disks(&refusal),
        }
    }

    /// Drops what is ready: the node goes down.
    pub(super) fn drop_disks(&mut self) {
        self.disks.ready.clear();
        if let Err(error) = self.ground.driver.remove_ready() {
            log::warn(format_args!("remove disks made ahead: {error}"));
        }
    }

    fn discard_other_sizes(&mut self, bytes: u64) {
        let others: Vec<Ready> = self.disks.ready.extract_if(.., |disk| disk.bytes() != bytes).collect();
        for disk in others {
            if let Err(error) = self.ground.driver.discard(disk) {
                log::warn(format_args!("remove a disk made ahead: {error}"));
            }
        }
    }

    fn pause_disks(&mut self, refusal: &Refusal) {
        log::warn(format_args!("make a disk ahead: {refusal}"));
        self.put_disks_off(PAUSE);
    }

    /// Later than it was already, never sooner.
    fn put_disks_off(&mut self, time: Duration) {
        let at = Moment::now().after(time);
        self.disks.not_before = Some(self.disks.not_before.map_or(at, |before| before.max(at)));
    }
}
