//! From an OCI runtime spec to a [`Plan`]: what the runtime is going to do, checked.
//!
//! Nothing runs from an unchecked spec: `init` and `container` take a `Plan`, and a `Plan` is only made here. A field
//! that this runtime does not carry out is refused by its name, never passed over. Sessions take [`Plan::contained`],
//! which knows nothing of the host.

mod capabilities;
mod contained;
mod device;
mod error;
mod hooks;
mod mount;
mod namespaces;
mod plan;
mod process;
mod propagation;
mod support;
mod sysctl;

pub use capabilities::{BY_NUMBER, CapabilitySets, DOCKER_DEFAULT};
pub use device::DevicePlan;
pub use error::SpecError;
pub use hooks::{HookPlan, HookPlans};
pub use mount::{Attributes, MOUNT_OPTIONS, MountIdMap, MountKind, MountPlan, Propagation};
pub(crate) use namespaces::CLONE_NEWTIME;
pub use namespaces::{IdMap, Namespaces};
pub use plan::{Plan, RootPlan};
pub use process::{CpuSet, IoPriority, ProcessPlan, Rlimit, Scheduling};
pub use sysctl::Sysctl;
