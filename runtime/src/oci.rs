//! Containers by the OCI runtime specification: their state on disk, and one operation a file.
//!
//! ```text
//! <root>/<id>/state.json   who the container is; written before its process may go on
//! <root>/<id>/config.json  a copy of the bundle's, as it was at `create`
//! <root>/<id>/exec.fifo    there as long as the container is created and not started
//! ```
//!
//! The status is never stored: it is what the process, the pipe and the cgroup say. Used by `cli`; the process of the
//! command line has one thread, and attends to the container itself.

mod attendant;
mod bundle;
mod cgroup;
pub(crate) mod clock;
mod console;
mod create;
mod delete;
mod document;
mod error;
mod exec;
mod foreground;
mod kill;
mod maps;
mod pause;
mod proc;
mod protect;
mod record;
mod relay;
mod root;
mod sources;
mod start;
mod status;
mod systemd;
mod update;

pub use bundle::Bundle;
pub use cgroup::{CgroupOptions, Placed, SubGroups};
pub use create::{CreateOptions, create, run};
pub use delete::{delete, destroy};
pub use document::{process as read_process, spec as read_config};
pub use error::Error;
pub use exec::{ExecOptions, check_exec, exec};
pub use kill::{kill, parse_signal};
pub use pause::{pause, resume};
pub use protect::protect_program;
pub use record::Record;
pub use root::Root;
pub use start::start;
pub use status::Status;
pub use update::update;
