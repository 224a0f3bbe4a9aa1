//! The stage inside a new container before exec: [`STEPS`], run in order, each named in its error.
//!
//! It runs as pid 1 of the new namespaces, a copy of the worker's memory, until the last step replaces it by the
//! reaper. Used by `container::create` only.

mod cgroup;
mod etc;
mod finish;
mod root;
mod stage;
mod sync;

pub use stage::{Identity, STEPS, Stage, Step};
pub use sync::{ChildEnd, ParentEnd, Report, pair};
