//! Processors and memory nodes (config-linux.md, "CPU"): the same files on both versions.

use oci_spec::runtime::LinuxCpu;

use super::ContainerGroup;
use super::file::write;
use crate::cgroup::Error;

pub(super) fn set(group: &ContainerGroup, cpu: &LinuxCpu) -> Result<(), Error> {
    for (file, value) in [("cpuset.cpus", cpu.cpus()), ("cpuset.mems", cpu.mems())] {
        if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
            write(group.needed("cpuset")?.path(), file, value)?;
        }
    }
    Ok(())
}
