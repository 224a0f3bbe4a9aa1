//! Containers: one operation a file.
//!
//! Everything that clones runs in a worker: a short-lived, single-threaded process that the supervisor forked, and
//! that has called [`worker::isolate`] first.

pub mod create;
mod enter;
pub mod exec;
mod launch;
pub mod machine;
mod program;
pub mod reaper_program;
mod undo;
pub mod userns;
pub mod worker;

pub use create::{Started, attended, start};
pub use enter::enter;
pub use exec::{JoinPlan, Joined, join};
pub use launch::Attendant;
