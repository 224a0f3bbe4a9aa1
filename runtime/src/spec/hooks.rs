//! Hooks of a spec: programs that run at set points of a container's life (config.md, "POSIX-platform Hooks").

use std::path::PathBuf;
use std::time::Duration;

use oci_spec::runtime::{Hook, Hooks};

use super::error::SpecError;

/// One program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookPlan {
    /// Absolute path.
    pub path: PathBuf,
    /// Its argv; empty: the path alone.
    pub args: Vec<String>,
    /// Its whole environment, as `NAME=value`.
    pub env: Vec<String>,
    /// How long it may take.
    pub timeout: Option<Duration>,
}

/// The hooks by their points in time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HookPlans {
    /// After the namespaces are made, in the runtime's namespaces; the old `prestart` ones first.
    pub create_runtime: Vec<HookPlan>,
    /// After the mounts, before the change of root, in the container's namespaces.
    pub create_container: Vec<HookPlan>,
    /// Before the program is executed, inside.
    pub start_container: Vec<HookPlan>,
    /// After the program is executed, in the runtime's namespaces.
    pub poststart: Vec<HookPlan>,
    /// After the container is deleted, in the runtime's namespaces.
    pub poststop: Vec<HookPlan>,
}

impl HookPlans {
    pub(super) fn read(hooks: Option<&Hooks>) -> Result<Self, SpecError> {
        let Some(hooks) = hooks else { return Ok(Self::default()) };
        let mut create_runtime = plans("hooks.prestart", hooks.prestart())?;
        create_runtime.extend(plans("hooks.createRuntime", hooks.create_runtime())?);
        Ok(Self {
            create_runtime,
            create_container: plans("hooks.createContainer", hooks.create_container())?,
            start_container: plans("hooks.startContainer", hooks.start_container())?,
            poststart: plans("hooks.poststart", hooks.poststart())?,
            poststop: plans("hooks.poststop", hooks.poststop())?,
        })
    }
}

fn plans(field: &'static str, hooks: &Option<Vec<Hook>>) -> Result<Vec<HookPlan>, SpecError> {
    hooks.iter().flatten().map(|hook| plan(field, hook)).collect()
}

fn plan(field: &'static str, hook: &Hook) -> Result<HookPlan, SpecError> {
    if !hook.path().is_absolute() {
        return Err(SpecError::invalid(field, hook.path().display(), "must be an absolute path"));
    }
    let timeout = hook.timeout().map(|seconds| match u64::try_from(seconds) {
        Ok(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
        _ => Err(SpecError::invalid(field, seconds, "must be a time limit above 0")),
    });
    Ok(HookPlan {
        path: hook.path().clone(),
        args: hook.args().clone().unwrap_or_default(),
        env: hook.env().clone().unwrap_or_default(),
        timeout: timeout.transpose()?,
    })
}
