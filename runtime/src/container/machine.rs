//! The spec of a machine: what every instance looks like, as an OCI document.

use oci_spec::OciSpecError;
use oci_spec::runtime::{
    Capability, LinuxBuilder, LinuxCapabilitiesBuilder, LinuxNamespaceBuilder, LinuxNamespaceType, Mount,
    MountBuilder, PosixRlimit, PosixRlimitBuilder, PosixRlimitType, ProcessBuilder, RootBuilder, Spec,
    SpecBuilder, UserBuilder,
};

use crate::process::seccomp;
use crate::spec::DOCKER_DEFAULT;
use crate::supervisor::protocol::Machine;

/// What `ps` shows for pid 1.
const REAPER_NAME: &str = "sandlot-reaper";

/// The seven namespaces.
const NAMESPACES: [LinuxNamespaceType; 7] = [
    LinuxNamespaceType::User,
    LinuxNamespaceType::Pid,
    LinuxNamespaceType::Mount,
    LinuxNamespaceType::Network,
    LinuxNamespaceType::Ipc,
    LinuxNamespaceType::Uts,
    LinuxNamespaceType::Cgroup,
];

/// Target, type and options, in the order in which they are mounted.
const MOUNTS: [(&str, &str, &str); 7] = [
    ("/proc", "proc", "nosuid,noexec,nodev"),
    ("/sys", "sysfs", "nosuid,noexec,nodev,ro"),
    ("/dev", "tmpfs", "nosuid,noexec,mode=755,size=65536k"),
    ("/dev/pts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5,max=64"),
    ("/dev/shm", "tmpfs", "nosuid,noexec,nodev,mode=1777,size=65536k"),
    ("/dev/mqueue", "mqueue", "nosuid,noexec,nodev"),
    ("/sys/fs/cgroup", "cgroup", "nosuid,noexec,nodev,ro"),
];

/// Hidden, as in Docker.
const MASKED_PATHS: [&str; 12] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];

/// Read-only, as in Docker.
const READONLY_PATHS: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Settings as in Docker: ping and low ports without a capability.
const SYSCTLS: [(&str, &str); 2] =
    [("net.ipv4.ping_group_range", "0 65535"), ("net.ipv4.ip_unprivileged_port_start", "0")];

/// The spec of one machine.
///
/// # Errors
/// When a part of the document is missing, which would be a mistake in this function.
pub fn spec_for(machine: &Machine) -> Result<Spec, OciSpecError> {
    let process = ProcessBuilder::default()
        .terminal(false)
        .user(UserBuilder::default().uid(0u32).gid(0u32).build()?)
        .args(vec![REAPER_NAME.to_owned(), "reaper".to_owned()])
        .env(vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()])
        .cwd("/")
        .capabilities(capabilities(machine)?)
        .rlimits(rlimits()?)
        .no_new_privileges(machine.no_new_privileges)
        .build()?;
    SpecBuilder::default()
        .version("1.2.0")
        .root(RootBuilder::default().path("rootfs").readonly(false).build()?)
        .hostname(machine.hostname.as_str())
        .mounts(mounts()?)
        .process(process)
        .linux(linux(machine)?)
        .build()
}

fn linux(machine: &Machine) -> Result<oci_spec::runtime::Linux, OciSpecError> {
    let namespace = |typ: &LinuxNamespaceType| LinuxNamespaceBuilder::default().typ(*typ).build();
    let mut linux = LinuxBuilder::default()
        .namespaces(NAMESPACES.iter().map(namespace).collect::<Result<Vec<_>, _>>()?)
        .sysctl(
            SYSCTLS
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect::<std::collections::HashMap<_, _>>(),
        )
        .masked_paths(MASKED_PATHS.map(str::to_owned).to_vec())
        .readonly_paths(READONLY_PATHS.map(str::to_owned).to_vec())
        .seccomp(seccomp::docker_default(machine.user_namespaces)?)
        .build()?;
    // The builder's defaults name resources; limits and devices are the cgroup's.
    linux.set_resources(None).set_devices(None);
    Ok(linux)
}

fn capabilities(machine: &Machine) -> Result<oci_spec::runtime::LinuxCapabilities, OciSpecError> {
    let more = machine.net_admin.then_some(Capability::NetAdmin);
    let docker: std::collections::HashSet<Capability> = DOCKER_DEFAULT.into_iter().chain(more).collect();
    let none = std::collections::HashSet::new();
    LinuxCapabilitiesBuilder::default()
        .bounding(docker.clone())
        .permitted(docker.clone())
        .effective(docker)
        .inheritable(none.clone())
        .ambient(none)
        .build()
}

/// As Docker's defaults, with a bound on descriptors and without core files.
fn rlimits() -> Result<Vec<PosixRlimit>, OciSpecError> {
    let limits = [(PosixRlimitType::RlimitNofile, 1024, 1_048_576), (PosixRlimitType::RlimitCore, 0, 0)];
    limits
        .iter()
        .map(|(typ, soft, hard)| {
            PosixRlimitBuilder::default().typ(*typ).soft(*soft as u64).hard(*hard as u64).build()
        })
        .collect()
}

fn mounts() -> Result<Vec<Mount>, OciSpecError> {
    let mount = |(target, typ, options): &(&str, &str, &str)| {
        let options: Vec<String> = options.split(',').map(str::to_owned).collect();
        MountBuilder::default().destination(*target).typ(*typ).source(*typ).options(options).build()
    };
    MOUNTS.iter().map(mount).collect()
}
