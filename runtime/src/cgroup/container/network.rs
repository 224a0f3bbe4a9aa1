//! Network class and priorities (config-linux.md, "Network"): version 1 only.

use oci_spec::runtime::LinuxNetwork;

use super::file::write;
use super::{ContainerGroup, With};
use crate::cgroup::Error;

pub(super) fn set(group: &ContainerGroup, network: &LinuxNetwork) -> Result<(), Error> {
    if let Some(class) = network.class_id().filter(|class| *class != 0) {
        write(only_v1(group.needed("net_cls")?)?, "net_cls.classid", &class.to_string())?;
    }
    for priority in network.priorities().iter().flatten() {
        let line = format!("{} {}", priority.name(), priority.priority());
        write(only_v1(group.needed("net_prio")?)?, "net_prio.ifpriomap", &line)?;
    }
    Ok(())
}

fn only_v1(with: With<'_>) -> Result<&std::path::Path, Error> {
    match with {
        With::First(folder) => Ok(folder),
        With::Second(_) => Err(Error::Said("resources.network is not available on cgroup v2".to_owned())),
    }
}
