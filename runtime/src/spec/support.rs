//! The fields that this runtime refuses, each by its name.

use oci_spec::runtime::{Linux, Process, Spec};

use super::error::SpecError;

/// Refuses the unsupported fields of the document itself.
pub(super) fn check_spec(spec: &Spec) -> Result<(), SpecError> {
    refuse(&[
        ("solaris", spec.solaris().is_some()),
        ("windows", spec.windows().is_some()),
        ("vm", spec.vm().is_some()),
        ("zos", spec.zos().is_some()),
    ])
}

/// Refuses the unsupported fields of `process`.
pub(super) fn check_process(process: &Process) -> Result<(), SpecError> {
    refuse(&[
        ("process.commandLine", process.command_line().is_some()),
        ("process.user.username", process.user().username().is_some()),
    ])
}

/// Refuses the unsupported fields of `linux`.
pub(super) fn check_linux(linux: &Linux) -> Result<(), SpecError> {
    refuse(&[
        ("linux.netDevices", linux.net_devices().is_some()),
        ("linux.intelRdt", linux.intel_rdt().is_some()),
        ("linux.memoryPolicy", linux.memory_policy().is_some()),
    ])
}

fn refuse(fields: &[(&str, bool)]) -> Result<(), SpecError> {
    match fields.iter().find(|(_, present)| *present) {
        Some((name, _)) => Err(SpecError::Unsupported((*name).to_owned())),
        None => Ok(()),
    }
}
