//! Images: the content store, imports, unpacking, and the recipes of the default images.
//!
//! ```text
//! archive --import--> content store (serve's)  --layer_tar--> unpack (a worker) --> <layers>/<diffID> (image range)
//! recipe  --make----> (blobs by digest, index)
//! ```
//!
//! The store is an OCI image layout that serve and `sandlot image` write under serve's uid. The unpacked trees are
//! the supervisor's; it gets an uncompressed tar and a digest, and trusts neither. Nothing here talks to a registry.

mod archive;
mod error;
mod import;
mod index;
mod ingest;
mod layer;
mod recipe;
mod reference;
mod store;
pub mod unpack;

pub use error::Error;
pub use recipe::{Progress, Recipe};
pub use reference::Reference;
pub use store::{Image, Layer, Store};
