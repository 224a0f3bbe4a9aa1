//! Sandlot's runtime.

pub mod ring;
pub mod supervisor;
pub mod sys;
