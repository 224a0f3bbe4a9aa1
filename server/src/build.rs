//! Building images from Dockerfiles, on the node's own runtime.
//!
//! ```text
//! Dockerfile --dockerfile--> stages --plan--> those that are needed, in parallel where they may be
//! stage      --stage-------> steps: each that changes files makes one layer
//! step       --cache-------> a layer that is there already, or
//!            --machine-----> a machine over the layers so far: run, or copy files in; then what has changed, as a layer
//! ```
//!
//! Synchronous: a build is run in threads of its own, one for each stage at work. It speaks to the supervisor over
//! connections of its own, which own its machines: they end with it, however it ends.

mod cache;
pub mod chmod;
mod config;
mod context;
pub mod dockerfile;
mod error;
mod files;
pub mod glob;
mod history;
pub mod ignore;
mod layer;
mod machine;
mod owner;
mod plan;
pub mod progress;
mod request;
mod select;
mod stage;
mod step;
mod variables;

pub use context::Context;
pub use error::{Error, Result};
pub use request::{Build, Built, Download, Request, Secret};
