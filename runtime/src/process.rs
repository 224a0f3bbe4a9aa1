//! What a process inside a container is allowed and looks like: one aspect a file.
//!
//! Used by `init` for pid 1 and by `container` for every other process that is started inside.

pub mod account;
pub mod capabilities;
pub mod environment;
pub mod hook;
pub mod limits;
pub mod seccomp;
pub mod subordinate_ids;
pub mod terminal;
pub mod unprivileged;
pub mod user;
