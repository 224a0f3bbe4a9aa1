//! The client of registries against Debian's `docker-registry`, and against registries that lie.
#![expect(clippy::unwrap_used, reason = "tests")]

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
