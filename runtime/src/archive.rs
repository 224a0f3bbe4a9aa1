//! Archives of an instance's files: in, out, and what has changed as a layer.
//!
//! ```text
//! worker (root)                                  its child
//!   put, get, stat: pidfd of pid 1, a stream --> enters the instance's cgroup, user and mount namespace; its root
//!   diff: the upper folder, a stream ----------> joins the session's user namespace, makes the folder its root
//!   (answers which folders are opaque) <-------- asks, since only the host's root may read that
//!   <------------------------------------------- report
//! ```
//!
//! Every byte of an archive, and every name in a tree, is a stranger's: only the child looks at them, undumpable, with
//! no descriptor but those above, no power outside the instance, and bounded memory. [`Extraction`] is also what unpacks
//! layers (`image::unpack`).

mod attributes;
mod child;
mod copy;
pub mod diff;
mod entry;
mod error;
mod extract;
mod header;
mod inside;
pub mod made;
pub(crate) mod name;
mod place;
pub mod reader;
mod room;
mod status;
mod stream;
mod walk;
pub(crate) mod whiteout;

pub use copy::{copy_member, end_archive};
pub use error::{Error, ErrorKind};
pub(crate) use extract::{Extraction, Policy};
pub use inside::{Instance, get, put, stat};
pub(crate) use stream::Input;
