//! Sandlot's runtime.

pub mod cgroup;
pub mod ring;
pub mod supervisor;
pub mod sys;
