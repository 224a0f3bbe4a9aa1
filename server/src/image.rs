//! Images as playgrounds and the command line see them: what is there, what is being made, what must be unpacked.
//!
//! The store itself is `sandlot_runtime::image`. Everything here blocks on files for moments only.
//!
//! ```text
//! serve (root, at its start) --spawns--> sandlot image make NAME --progress (locked file)--> Catalog --> pages, console
//!                                          | recipe as root, then as serve's uid: store, supervisor: UnpackLayer
//!                                          | or a Dockerfile: sandlot image make debian, then a build
//! ```

mod catalog;
mod defaults;
pub mod inspect;
mod progress;
pub mod pull;
pub mod push;
mod unpack;

pub use catalog::{Catalog, ImageState};
pub use defaults::{DefaultImage, Dockerfile};
pub use progress::{Making, Progress};
pub use unpack::{
    UnpackError, remove_unused, unpack_layer, unpack_layer_unless_there, unpack_missing, unpack_one,
};

use std::path::{Path, PathBuf};

/// Where serve keeps the content store, below the state directory.
pub fn store_dir(state_dir: &Path) -> PathBuf {
    state_dir.join("serve/content")
}

/// Where makers of images say how far they are: root's folder, so that serve cannot plant a link there.
pub fn progress_dir(run_dir: &Path) -> PathBuf {
    run_dir.join("making")
}
