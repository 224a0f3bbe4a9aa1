//! The stage inside a container before exec: lists of steps, run in order, each named in its error.
//!
//! [`STEPS`] makes pid 1 of a container, a session's machine as well as one of the OCI command line; [`EXEC_STEPS`] is
//! for a process that joins a running one. A step does nothing where the plan asks for nothing. The process that runs
//! them is a copy of the runtime's memory until the last step replaces it. Used by `container` only.

mod cgroup;
mod console;
mod credentials;
mod etc;
mod filter;
mod finish;
mod hook;
mod label;
mod mounts;
mod program;
mod resources;
mod root;
mod stage;
mod steps;
pub mod sync;

pub(crate) use cgroup::not_added;
pub use cgroup::take as take_seats;
pub use resources::{Group, HookState, Identity, Program, Resources};
pub use stage::{Stage, Step};
pub use steps::{EXEC_STEPS, STEPS};
pub use sync::{ChildEnd, ParentEnd, Report, pair};
