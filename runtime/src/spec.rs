//! From an OCI runtime spec to a [`Plan`]: what the runtime is going to do, checked.
//!
//! Nothing runs from an unchecked spec: `init` and `container` take a `Plan`, and a `Plan` is only made here. A field
//! that this runtime does not carry out is refused by its name, never passed over.

mod capabilities;
mod error;
mod mount;
mod plan;
mod process;
mod support;

pub use capabilities::{CapabilitySets, DOCKER_DEFAULT};
pub use error::SpecError;
pub use mount::{FilesystemKind, MountPlan};
pub use plan::{Plan, Sysctl};
pub use process::{ProcessPlan, Rlimit};
