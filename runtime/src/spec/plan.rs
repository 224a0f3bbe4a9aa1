//! The plan: the one input from which a container is made.

use std::path::{Path, PathBuf};

use nix::sched::CloneFlags;
use oci_spec::runtime::{Linux, LinuxPersonalityDomain, LinuxResources, LinuxSeccomp, Spec};

use super::device::{self, DevicePlan};
use super::error::SpecError;
use super::hooks::HookPlans;
use super::mount::{MountKind, MountPlan, Propagation, inside, text};
use super::namespaces::{CLONE_NEWTIME, Namespaces};
use super::process::ProcessPlan;
use super::sysctl::{self, Sysctl};
use super::{propagation, support};

/// A container as it will be made. Only [`Plan::try_from`] and [`Plan::contained`] make one.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub(crate) namespaces: Namespaces,
    /// `<clock> <seconds> <nanoseconds>` lines for `/proc/<pid>/timens_offsets`.
    pub(crate) time_offsets: Vec<String>,
    pub(crate) hostname: Option<String>,
    pub(crate) domainname: Option<String>,
    pub(crate) process: ProcessPlan,
    pub(crate) root: RootPlan,
    pub(crate) mounts: Vec<MountPlan>,
    pub(crate) devices: Vec<DevicePlan>,
    pub(crate) sysctls: Vec<Sysctl>,
    pub(crate) masked_paths: Vec<PathBuf>,
    pub(crate) readonly_paths: Vec<PathBuf>,
    pub(crate) mount_label: Option<String>,
    pub(crate) seccomp: Option<LinuxSeccomp>,
    pub(crate) hooks: HookPlans,
    pub(crate) resources: Option<LinuxResources>,
    pub(crate) cgroups_path: Option<PathBuf>,
    /// Execution domain for personality(2).
    pub(crate) personality: Option<u64>,
}

/// The root file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootPlan {
    /// Where it is; relative to the bundle.
    pub path: PathBuf,
    /// Whether it is read-only inside.
    pub readonly: bool,
    /// How mount events travel between it and the host.
    pub propagation: Option<Propagation>,
}

impl Plan {
    /// The host name inside, if it is set.
    pub fn hostname(&self) -> Option<&str> {
        self.hostname.as_deref()
    }

    /// Pid 1, whose limits and capabilities also hold for every other process that is started inside.
    pub fn process(&self) -> &ProcessPlan {
        &self.process
    }

    /// The system call filter, if there is one.
    pub fn seccomp(&self) -> Option<&LinuxSeccomp> {
        self.seccomp.as_ref()
    }

    /// Its namespaces.
    pub fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    /// The root file system.
    pub fn root(&self) -> &RootPlan {
        &self.root
    }

    /// The hooks.
    pub fn hooks(&self) -> &HookPlans {
        &self.hooks
    }

    /// The mounts.
    pub fn mounts(&self) -> &[MountPlan] {
        &self.mounts
    }

    /// Where its cgroup is to be.
    pub fn cgroups_path(&self) -> Option<&Path> {
        self.cgroups_path.as_deref()
    }

    /// The limits of its cgroup.
    pub fn resources(&self) -> Option<&LinuxResources> {
        self.resources.as_ref()
    }

    /// Adds variables to the environment of the program.
    pub fn add_variables(&mut self, variables: &[String]) {
        self.process
            .env
            .extend(variables.iter().filter_map(|text| std::ffi::CString::new(text.as_str()).ok()));
    }

    /// A mount more, after all others.
    pub(crate) fn add_mount(&mut self, mount: MountPlan) {
        self.mounts.push(mount);
    }

    /// Shares the network of whoever starts it. The kernel shows no sysfs to a user namespace that the network does not
    /// belong to: there is an empty file system in its place.
    pub(crate) fn share_network(&mut self) {
        self.namespaces.new.remove(CloneFlags::CLONE_NEWNET);
        self.sysctls.retain(|sysctl| !sysctl.path.starts_with("net"));
        for mount in self.mounts.iter_mut().filter(|mount| mount.target == Path::new("/sys")) {
            *mount = MountPlan::filesystem(c"tmpfs", "/sys");
        }
    }

    /// The same container with another process: what `exec` starts in it.
    pub fn set_process(&mut self, process: ProcessPlan) {
        self.process = process;
    }

    /// Whether `/dev` is the container's own, to be filled by us: not when the host's is bound there.
    pub(crate) fn owns_dev(&self) -> bool {
        let is_bound = |mount: &MountPlan| matches!(mount.kind, MountKind::Bind { .. });
        !self.mounts.iter().any(|mount| mount.target.as_os_str() == "/dev" && is_bound(mount))
    }
}

impl TryFrom<&Spec> for Plan {
    type Error = SpecError;

    fn try_from(spec: &Spec) -> Result<Self, SpecError> {
        support::check_spec(spec)?;
        let process = spec.process().as_ref().ok_or(SpecError::Missing("process"))?;
        let default = Linux::default();
        let linux = spec.linux().as_ref().unwrap_or(&default);
        let root = spec.root().as_ref().ok_or(SpecError::Missing("root"))?;
        support::check_linux(linux)?;
        let namespaces = Namespaces::read(linux)?;
        let plan = Self {
            time_offsets: time_offsets(linux, &namespaces)?,
            hostname: name("hostname", spec.hostname())?,
            domainname: name("domainname", spec.domainname())?,
            process: ProcessPlan::try_from(process)?,
            root: RootPlan {
                path: root.path().clone(),
                readonly: root.readonly().unwrap_or(false),
                propagation: propagation::parse(linux.rootfs_propagation().as_deref())?,
            },
            mounts: spec.mounts().iter().flatten().map(MountPlan::try_from).collect::<Result<_, _>>()?,
            devices: device::plans(linux.devices())?,
            sysctls: sysctl::read(linux, &namespaces)?,
            masked_paths: paths("linux.maskedPaths", linux.masked_paths())?,
            readonly_paths: paths("linux.readonlyPaths", linux.readonly_paths())?,
            mount_label: linux.mount_label().clone().filter(|label| !label.is_empty()),
            seccomp: linux.seccomp().clone(),
            hooks: HookPlans::read(spec.hooks().as_ref())?,
            resources: linux.resources().clone(),
            cgroups_path: linux.cgroups_path().clone().filter(|path| !path.as_os_str().is_empty()),
            personality: personality(linux)?,
            namespaces,
        };
        plan.check_namespaces()?;
        Ok(plan)
    }
}

impl Plan {
    /// What would change the host where the container shares its namespace.
    fn check_namespaces(&self) -> Result<(), SpecError> {
        let lacks = |kind| !self.namespaces.has(kind);
        let named = self.hostname.is_some() || self.domainname.is_some();
        if named && lacks(CloneFlags::CLONE_NEWUTS) {
            return Err(SpecError::Conflict(
                "unable to set hostname without a private UTS namespace".to_owned(),
            ));
        }
        let restricts = !self.masked_paths.is_empty() || !self.readonly_paths.is_empty();
        if restricts && lacks(CloneFlags::CLONE_NEWNS) {
            let text = "unable to restrict sys entries without a private MNT namespace";
            return Err(SpecError::Conflict(text.to_owned()));
        }
        Ok(())
    }
}

fn name(field: &'static str, given: &Option<String>) -> Result<Option<String>, SpecError> {
    let given = given.as_ref().filter(|name| !name.is_empty());
    given.map(|name| text(field, name).map(|_| name.clone())).transpose()
}

fn paths(field: &'static str, paths: &Option<Vec<String>>) -> Result<Vec<PathBuf>, SpecError> {
    paths.iter().flatten().map(|path| inside(field, path.as_ref())).collect()
}

fn time_offsets(linux: &Linux, namespaces: &Namespaces) -> Result<Vec<String>, SpecError> {
    let given = linux.time_offsets().as_ref().filter(|offsets| !offsets.is_empty());
    let Some(offsets) = given else { return Ok(Vec::new()) };
    if !namespaces.is_new(CLONE_NEWTIME) {
        return Err(SpecError::invalid("linux.timeOffsets", offsets.len(), "needs a new time namespace"));
    }
    let mut lines = Vec::new();
    for (clock, offset) in offsets {
        if !matches!(clock.as_str(), "monotonic" | "boottime") {
            return Err(SpecError::invalid("linux.timeOffsets", clock, "is not a clock with an offset"));
        }
        let (seconds, nanoseconds) = (offset.secs().unwrap_or(0), offset.nanosecs().unwrap_or(0));
        lines.push(format!("{clock} {seconds} {nanoseconds}"));
    }
    lines.sort();
    Ok(lines)
}

fn personality(linux: &Linux) -> Result<Option<u64>, SpecError> {
    let Some(personality) = linux.personality() else { return Ok(None) };
    if personality.flags().as_ref().is_some_and(|flags| !flags.is_empty()) {
        // The specification names no flag yet.
        return Err(SpecError::Unsupported("linux.personality.flags".to_owned()));
    }
    Ok(Some(match personality.domain() {
        LinuxPersonalityDomain::PerLinux => 0,
        LinuxPersonalityDomain::PerLinux32 => 8,
    }))
}
