//! The fields that this runtime refuses, each by its name.

use oci_spec::runtime::{Linux, LinuxSeccomp, LinuxSeccompAction, Process, Spec};

use super::error::SpecError;

/// Refuses the unsupported fields of the document itself.
pub(super) fn check_spec(spec: &Spec) -> Result<(), SpecError> {
    refuse(&[
        ("domainname", spec.domainname().is_some()),
        ("hooks", spec.hooks().is_some()),
        ("solaris", spec.solaris().is_some()),
        ("windows", spec.windows().is_some()),
        ("vm", spec.vm().is_some()),
        ("zos", spec.zos().is_some()),
    ])
}

/// Refuses the unsupported fields of `process`.
pub(super) fn check_process(process: &Process) -> Result<(), SpecError> {
    refuse(&[
        ("process.terminal", process.terminal() == Some(true)),
        ("process.consoleSize", process.console_size().is_some()),
        ("process.commandLine", process.command_line().is_some()),
        ("process.apparmorProfile", process.apparmor_profile().is_some()),
        ("process.oomScoreAdj", process.oom_score_adj().is_some()),
        ("process.selinuxLabel", process.selinux_label().is_some()),
        ("process.ioPriority", process.io_priority().is_some()),
        ("process.scheduler", process.scheduler().is_some()),
        ("process.execCPUAffinity", process.exec_cpu_affinity().is_some()),
        ("process.user.username", process.user().username().is_some()),
    ])
}

/// Refuses the unsupported fields of `linux`. Limits and device rules are the cgroup's, not the spec's.
pub(super) fn check_linux(linux: &Linux) -> Result<(), SpecError> {
    refuse(&[
        ("linux.netDevices", linux.net_devices().is_some()),
        ("linux.uidMappings", linux.uid_mappings().is_some()),
        ("linux.gidMappings", linux.gid_mappings().is_some()),
        ("linux.resources", linux.resources().is_some()),
        ("linux.cgroupsPath", linux.cgroups_path().is_some()),
        ("linux.devices", linux.devices().as_ref().is_some_and(|devices| !devices.is_empty())),
        ("linux.rootfsPropagation", linux.rootfs_propagation().is_some()),
        ("linux.mountLabel", linux.mount_label().is_some()),
        ("linux.intelRdt", linux.intel_rdt().is_some()),
        ("linux.memoryPolicy", linux.memory_policy().is_some()),
        ("linux.personality", linux.personality().is_some()),
        ("linux.timeOffsets", linux.time_offsets().is_some()),
    ])
}

/// Refuses what a filter without a listener cannot do.
pub(super) fn check_seccomp(profile: &LinuxSeccomp) -> Result<(), SpecError> {
    use LinuxSeccompAction::{ScmpActNotify, ScmpActTrace};
    let asks = |action: LinuxSeccompAction| matches!(action, ScmpActNotify | ScmpActTrace);
    let mut rules = profile.syscalls().iter().flatten();
    refuse(&[
        ("linux.seccomp.flags", profile.flags().as_ref().is_some_and(|flags| !flags.is_empty())),
        ("linux.seccomp.listenerPath", profile.listener_path().is_some()),
        ("linux.seccomp.listenerMetadata", profile.listener_metadata().is_some()),
        ("linux.seccomp.defaultAction", asks(profile.default_action())),
        ("linux.seccomp.syscalls.action", rules.any(|rule| asks(rule.action()))),
    ])
}

fn refuse(fields: &[(&str, bool)]) -> Result<(), SpecError> {
    match fields.iter().find(|(_, present)| *present) {
        Some((name, _)) => Err(SpecError::Unsupported((*name).to_owned())),
        None => Ok(()),
    }
}
