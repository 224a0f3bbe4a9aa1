//! `sandlot-oci` by its command line, on the real kernel: on version 1 and hybrid hosts here, on version 2 with systemd in
//! the virtual machine. Needs root.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod delegated;
mod ground;
mod hardening;
mod hooks;
mod lifecycle;
mod limits;
mod mounts;
mod namespaces;
mod process;
mod refusals;
mod systemd;
mod users;
