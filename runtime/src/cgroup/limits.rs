//! Writing an instance's limits, one function for each controller.

use nix::libc::EINVAL;

use super::Error;
use super::devices::DeviceNumber;
use super::folder::Folder;
use crate::supervisor::protocol::Limits;

/// Period over which cpu time is counted, as everywhere else: 100 ms.
const CPU_PERIOD_USEC: u64 = 100_000;
/// The kernel's smallest quota.
const CPU_QUOTA_MIN_USEC: u64 = 1_000;

fn cpu_quota_usec(limits: &Limits) -> u64 {
    (u64::from(limits.cpu_millis) * CPU_PERIOD_USEC / 1000).max(CPU_QUOTA_MIN_USEC)
}

/// Limits on version 1 hierarchies.
pub(super) mod v1 {
    use super::*;

    pub(in super::super) fn cpu(folder: &Folder, limits: &Limits) -> Result<(), Error> {
        folder.write("cpu.cfs_period_us", &CPU_PERIOD_USEC.to_string())?;
        folder.write("cpu.cfs_quota_us", &cpu_quota_usec(limits).to_string())?;
        weight(folder, limits.cpu_millis)
    }

    /// One whole cpu is the kernel's default of 1024 shares.
    pub(in super::super) fn weight(folder: &Folder, millis: u32) -> Result<(), Error> {
        folder.write("cpu.shares", &(u64::from(millis) * 1024 / 1000).clamp(2, 262_144).to_string())
    }

    pub(in super::super) fn memory(folder: &Folder, limits: &Limits) -> Result<(), Error> {
        let memory = limits.memory_bytes.to_string();
        let both = limits.memory_bytes.saturating_add(limits.swap_bytes).to_string();
        let counts_swap = folder.has("memory.memsw.limit_in_bytes");
        // Memory alone may never exceed memory and swap: raising needs the other order than lowering.
        match folder.write("memory.limit_in_bytes", &memory) {
            Err(error) if error.errno() == Some(EINVAL) && counts_swap => {
                folder.write("memory.memsw.limit_in_bytes", &both)?;
                folder.write("memory.limit_in_bytes", &memory)?;
            }
            other => other?,
        }
        if counts_swap {
            return folder.write("memory.memsw.limit_in_bytes", &both);
        }
        Ok(())
    }

    pub(in super::super) fn io(
        folder: &Folder,
        limits: &Limits,
        device: Option<DeviceNumber>,
    ) -> Result<(), Error> {
        let (Some(rate), Some(device)) = (limits.io_bytes_per_second, device) else { return Ok(()) };
        let line = format!("{device} {rate}");
        folder.write("blkio.throttle.read_bps_device", &line)?;
        folder.write("blkio.throttle.write_bps_device", &line)
    }
}

/// Limits on the version 2 hierarchy.
pub(super) mod v2 {
    use super::*;

    pub(in super::super) fn cpu(folder: &Folder, limits: &Limits) -> Result<(), Error> {
        folder.write("cpu.max", &format!("{} {CPU_PERIOD_USEC}", cpu_quota_usec(limits)))?;
        weight(folder, limits.cpu_millis)
    }

    /// One whole cpu is the kernel's default of 100.
    pub(in super::super) fn weight(folder: &Folder, millis: u32) -> Result<(), Error> {
        folder.write("cpu.weight", &(millis / 10).clamp(1, 10_000).to_string())
    }

    /// `memory.oom.group` stays 0: only the guilty process dies.
    pub(in super::super) fn memory(folder: &Folder, limits: &Limits) -> Result<(), Error> {
        folder.write("memory.max", &limits.memory_bytes.to_string())?;
        if folder.has("memory.swap.max") {
            folder.write("memory.swap.max", &limits.swap_bytes.to_string())?;
        }
        Ok(())
    }

    pub(in super::super) fn io(
        folder: &Folder,
        limits: &Limits,
        device: Option<DeviceNumber>,
    ) -> Result<(), Error> {
        let (Some(rate), Some(device)) = (limits.io_bytes_per_second, device) else { return Ok(()) };
        folder.write("io.max", &format!("{device} rbps={rate} wbps={rate}"))
    }
}

/// The same file on both versions.
pub(super) fn pids(folder: &Folder, limits: &Limits) -> Result<(), Error> {
    folder.write("pids.max", &limits.pids.to_string())
}
