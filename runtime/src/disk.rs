//! Where an instance's files are, and how much it may write.
//!
//! ```text
//! <instance folder>/disk.img           ext4-image: a sparse file, mounted over `disk` by a loop device
//! <instance folder>/disk/{upper,work}  what overlay writes to
//! <instance folder>/tmpfs              tmpfs: its mount options
//! ```
//!
//! A driver is chosen by trying it: a small disk is filled until it must refuse. Everything is mounted in the caller's
//! private mount namespace and goes with it.

mod backing;
mod driver;
mod error;
mod image;
mod probe;
mod project;
mod ready;
pub(crate) mod room;
mod template;

pub use backing::device_below;
pub use driver::{Attached, Driver, Kind, Wish};
pub use error::Error;
pub use ready::Ready;
