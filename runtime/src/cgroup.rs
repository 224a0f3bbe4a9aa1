//! Control groups: cgroup v1, hybrid and v2 behind one type.
//!
//! ```text
//! <parent>/supervisor                the supervisor, the guardian and their workers
//! <parent>/serve                     serve
//! <parent>/sessions/<n>/<i>          limits of instance i of session n
//! <parent>/sessions/<n>/<i>/machine  its pid 1 and its terminals
//! <parent>/sessions/<n>/<i>/exec-<k> one exec, so that it can be killed as a whole
//! ```
//!
//! On v1 and hybrid hosts the same folders stand in every hierarchy that is used. Processes sit in leaves only, and
//! everything here may be repeated. Mechanism for the supervisor and its workers; it knows no requests.

pub mod container;
mod device_program;
mod devices;
mod error;
mod folder;
mod group;
mod hierarchy;
mod instance;
mod leaf;
mod limits;
mod oom;
mod seat;
mod stats;
mod tree;

pub use devices::DeviceNumber;
pub use error::Error;
pub use hierarchy::Version;
pub use instance::{Instance, Removal};
pub use leaf::{Leaf, LeafName};
pub use oom::OomNotice;
pub use seat::Seat;
pub use stats::Usage;
pub use tree::{Role, Tree};
