//! What the command line shows and writes by itself, without a container.

pub mod features;
pub mod spec;
