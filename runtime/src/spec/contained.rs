//! The plans of a session: those in which nothing of the host is named.

use nix::sched::CloneFlags;
use oci_spec::runtime::{LinuxNamespaceType, LinuxSeccompAction, Spec};

use super::error::SpecError;
use super::mount::{MountKind, MountPlan, absolute};
use super::namespaces::flag;
use super::plan::Plan;

/// The highest id that a session's user namespace maps.
const LAST_ID: u32 = 65_535;
/// File systems that hold nothing but what the container makes, or what its namespaces are.
const FILESYSTEMS: [&str; 5] = ["proc", "sysfs", "tmpfs", "devpts", "mqueue"];
/// Options of these that change nothing outside.
const OPTIONS: [&str; 8] = ["mode", "size", "nr_inodes", "newinstance", "ptmxmode", "gid", "uid", "max"];

impl Plan {
    /// A plan that names neither a namespace nor a path of the host, with all seven namespaces, the user namespace given
    /// by whoever starts it.
    ///
    /// # Errors
    /// When the spec asks for more, by the field's name.
    pub fn contained(spec: &Spec) -> Result<Self, SpecError> {
        check_fields(spec)?;
        check_namespaces(spec)?;
        let mut linux = spec.linux().clone().ok_or(SpecError::Missing("linux"))?;
        // The session's user namespace is there already, with its maps.
        let namespaces = linux.namespaces().iter().flatten();
        let own = namespaces.filter(|one| one.typ() != LinuxNamespaceType::User).cloned().collect::<Vec<_>>();
        linux.set_namespaces(Some(own));
        let mut spec = spec.clone();
        spec.set_linux(Some(linux));
        let plan = Self::try_from(&spec)?;
        plan.mounts.iter().try_for_each(check_mount)?;
        plan.check_ids()?;
        Ok(plan)
    }

    fn check_ids(&self) -> Result<(), SpecError> {
        let process = &self.process;
        let check = |field, id| {
            if id <= LAST_ID { Ok(()) } else { Err(SpecError::invalid(field, id, "must be at most 65535")) }
        };
        check("process.user.uid", process.uid)?;
        check("process.user.gid", process.gid)?;
        process.groups.iter().try_for_each(|gid| check("process.user.additionalGids", *gid))
    }
}

fn check_fields(spec: &Spec) -> Result<(), SpecError> {
    let process = spec.process().as_ref().ok_or(SpecError::Missing("process"))?;
    let linux = spec.linux().as_ref().ok_or(SpecError::Missing("linux"))?;
    absolute("process.cwd", process.cwd())?;
    for path in linux.masked_paths().iter().flatten().chain(linux.readonly_paths().iter().flatten()) {
        absolute("linux.maskedPaths", path.as_ref())?;
    }
    let sets = process.capabilities().as_ref();
    let has = |set: Option<&oci_spec::runtime::Capabilities>| set.is_some_and(|set| !set.is_empty());
    let given = [
        ("hooks", spec.hooks().is_some()),
        ("domainname", spec.domainname().is_some()),
        ("process.terminal", process.terminal() == Some(true)),
        ("process.apparmorProfile", process.apparmor_profile().is_some()),
        ("process.oomScoreAdj", process.oom_score_adj().is_some()),
        ("process.selinuxLabel", process.selinux_label().is_some()),
        ("process.capabilities.ambient", has(sets.and_then(|sets| sets.ambient().as_ref()))),
        ("process.capabilities.inheritable", has(sets.and_then(|sets| sets.inheritable().as_ref()))),
        ("linux.uidMappings", linux.uid_mappings().is_some()),
        ("linux.gidMappings", linux.gid_mappings().is_some()),
        ("linux.resources", linux.resources().is_some()),
        ("linux.cgroupsPath", linux.cgroups_path().is_some()),
        ("linux.devices", linux.devices().as_ref().is_some_and(|devices| !devices.is_empty())),
        ("linux.rootfsPropagation", linux.rootfs_propagation().is_some()),
        ("linux.mountLabel", linux.mount_label().is_some()),
        ("linux.personality", linux.personality().is_some()),
        ("linux.timeOffsets", linux.time_offsets().is_some()),
        ("linux.seccomp.defaultAction", linux.seccomp().as_ref().is_some_and(notifies)),
        ("linux.seccomp.listenerPath", linux.seccomp().as_ref().is_some_and(|s| s.listener_path().is_some())),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(SpecError::Unsupported((*name).to_owned())),
        None => Ok(()),
    }
}

/// Nobody would answer.
fn notifies(profile: &oci_spec::runtime::LinuxSeccomp) -> bool {
    let notify = LinuxSeccompAction::ScmpActNotify;
    profile.default_action() == notify
        || profile.syscalls().iter().flatten().any(|rule| rule.action() == notify)
}

/// All seven namespaces, each new: a container that shares one with the host is not made.
fn check_namespaces(spec: &Spec) -> Result<(), SpecError> {
    let linux = spec.linux().as_ref().ok_or(SpecError::Missing("linux"))?;
    let given = linux.namespaces().as_deref().unwrap_or_default();
    if given.iter().any(|namespace| namespace.path().is_some()) {
        return Err(SpecError::Unsupported("linux.namespaces.path".to_owned()));
    }
    let flags =
        given.iter().map(|namespace| flag(namespace.typ())).fold(CloneFlags::empty(), CloneFlags::union);
    let all = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWCGROUP;
    if flags == all {
        return Ok(());
    }
    let difference = format!("{:x}", (flags ^ all).bits());
    Err(SpecError::invalid("linux.namespaces", difference, "must be the seven namespaces without time"))
}

fn check_mount(mount: &MountPlan) -> Result<(), SpecError> {
    let refused = |field, value: &dyn std::fmt::Display| {
        SpecError::invalid(field, value, "is not what a session may mount")
    };
    match &mount.kind {
        MountKind::Cgroup => {}
        MountKind::Filesystem(kind) if FILESYSTEMS.iter().any(|own| kind.to_bytes() == own.as_bytes()) => {}
        kind => return Err(refused("mounts.type", &format!("{kind:?}"))),
    }
    let is_plain = mount.propagation.is_empty() && mount.idmap.is_none() && !mount.copy_up;
    let odd = mount.options.iter().map(|(key, _)| key.to_string_lossy());
    let mut odd = odd.filter(|key| !OPTIONS.contains(&key.as_ref()));
    match odd.next() {
        Some(key) => Err(refused("mounts.options", &key)),
        None if is_plain => Ok(()),
        None => Err(refused("mounts.options", &mount.target.display())),
    }
}
