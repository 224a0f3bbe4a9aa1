//! The client of registries against Debian's `docker-registry`, and against registries that lie.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod addresses;
mod answers;
mod blobs;
mod docker;
mod exchange;
mod ground;
mod liar;
mod login;
mod name_server;
mod uploads;
