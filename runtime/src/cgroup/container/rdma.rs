//! RDMA devices (config-linux.md, "RDMA"): the same file on both versions.

use std::collections::HashMap;

use oci_spec::runtime::LinuxRdma;

use super::ContainerGroup;
use super::file::write;
use crate::cgroup::Error;

pub(super) fn set(group: &ContainerGroup, limits: &HashMap<String, LinuxRdma>) -> Result<(), Error> {
    for (device, limit) in limits {
        let mut line = device.clone();
        for (key, value) in [("hca_handle", limit.hca_handles()), ("hca_object", limit.hca_objects())] {
            if let Some(value) = value {
                line.push_str(&format!(" {key}={value}"));
            }
        }
        write(group.needed("rdma")?.path(), "rdma.max", &line)?;
    }
    Ok(())
}
