//! Capability sets as a spec gives them; Docker's default set.

use oci_spec::runtime::{Capabilities, Capability, LinuxCapabilities};

use super::error::SpecError;

/// Capabilities that the kernels we know have, by their numbers.
pub const BY_NUMBER: [Capability; 41] = [
    Capability::Chown,
    Capability::DacOverride,
    Capability::DacReadSearch,
    Capability::Fowner,
    Capability::Fsetid,
    Capability::Kill,
    Capability::Setgid,
    Capability::Setuid,
    Capability::Setpcap,
    Capability::LinuxImmutable,
    Capability::NetBindService,
    Capability::NetBroadcast,
    Capability::NetAdmin,
    Capability::NetRaw,
    Capability::IpcLock,
    Capability::IpcOwner,
    Capability::SysModule,
    Capability::SysRawio,
    Capability::SysChroot,
    Capability::SysPtrace,
    Capability::SysPacct,
    Capability::SysAdmin,
    Capability::SysBoot,
    Capability::SysNice,
    Capability::SysResource,
    Capability::SysTime,
    Capability::SysTtyConfig,
    Capability::Mknod,
    Capability::Lease,
    Capability::AuditWrite,
    Capability::AuditControl,
    Capability::Setfcap,
    Capability::MacOverride,
    Capability::MacAdmin,
    Capability::Syslog,
    Capability::WakeAlarm,
    Capability::BlockSuspend,
    Capability::AuditRead,
    Capability::Perfmon,
    Capability::Bpf,
    Capability::CheckpointRestore,
];

/// What Docker gives a container unless told otherwise.
pub const DOCKER_DEFAULT: [Capability; 14] = [
    Capability::Chown,
    Capability::DacOverride,
    Capability::Fsetid,
    Capability::Fowner,
    Capability::Mknod,
    Capability::NetRaw,
    Capability::Setgid,
    Capability::Setuid,
    Capability::Setfcap,
    Capability::Setpcap,
    Capability::NetBindService,
    Capability::SysChroot,
    Capability::Kill,
    Capability::AuditWrite,
];

/// Capability sets as bit masks (capabilities(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CapabilitySets {
    /// The most that any program inside can get.
    pub bounding: u64,
    /// What the process may make effective.
    pub permitted: u64,
    /// What is in force.
    pub effective: u64,
    /// What files with inheritable capabilities may give.
    pub inheritable: u64,
    /// What programs without file capabilities keep.
    pub ambient: u64,
}

impl TryFrom<&LinuxCapabilities> for CapabilitySets {
    type Error = SpecError;

    fn try_from(sets: &LinuxCapabilities) -> Result<Self, SpecError> {
        let sets = Self {
            bounding: mask(sets.bounding()),
            permitted: mask(sets.permitted()),
            effective: mask(sets.effective()),
            inheritable: mask(sets.inheritable()),
            ambient: mask(sets.ambient()),
        };
        if sets.effective & !sets.permitted != 0 {
            let rule = "must lie within the permitted set";
            return Err(SpecError::invalid(
                "process.capabilities.effective",
                format!("{:x}", sets.effective),
                rule,
            ));
        }
        Ok(sets)
    }
}

fn mask(set: &Option<Capabilities>) -> u64 {
    let has = |capability: &Capability| set.as_ref().is_some_and(|set| set.contains(capability));
    BY_NUMBER
        .iter()
        .enumerate()
        .filter(|(_, capability)| has(capability))
        .map(|(number, _)| 1 << number)
        .sum()
}

impl CapabilitySets {
    /// The sets of an ordinary user: nothing in force, but setuid programs may still get what is bounding.
    #[must_use]
    pub fn for_ordinary_user(self) -> Self {
        Self { bounding: self.bounding, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_default_has_its_well_known_mask() {
        let set = Some(DOCKER_DEFAULT.into_iter().collect());
        assert_eq!(mask(&set), 0xa804_25fb);
    }
}
