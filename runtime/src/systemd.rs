//! Cgroups by systemd: a container's group is a transient unit, so that whoever runs the host sees it where everything
//! else is, and systemd moves nothing away.
//!
//! A small synchronous client of the D-Bus protocol, with the few calls that are needed. Used by `oci`.

mod bus;
mod properties;
mod scope;
mod wire;

pub use bus::{Bus, Error};
pub use scope::Scope;
