//! The root file system of a container: mounts, devices, masked paths, and the few files of a machine.
//!
//! Everything is done by descriptor, under the root's own descriptor. Used by `init`, inside the new namespaces; only
//! [`layers`] runs before, in the worker.

pub mod bind;
pub mod cgroup_tree;
mod copy_up;
pub mod devices;
pub mod filesystem;
pub mod layers;
pub mod learner;
pub mod mask;
pub mod names;
pub mod path;
pub mod target;
