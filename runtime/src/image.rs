//! Images: the content store, archives in and out, unpacking, and the recipes of the default images.
//!
//! ```text
//! archive  --load, import--> content store (serve's)  --layer_tar--> unpack (a worker) --> <layers>/<diffID> (image range)
//! registry --lease---------> (blobs by digest, names by scope)
//! recipe   --make----------> --save--> archive
//! ```
//!
//! The store is an OCI image layout that serve and `sandlot image` write under serve's uid. The unpacked trees are
//! the supervisor's; it gets an uncompressed tar and a digest, and trusts neither. Nothing here talks to a registry.

mod archive;
pub mod assemble;
mod compression;
mod digest;
mod document;
mod error;
mod export;
mod import;
mod load;
pub mod media;
mod names;
mod platform;
mod recipe;
mod reference;
mod save;
mod scope;
mod store;
mod tar_stream;
pub mod unpack;

pub use digest::{Algorithm, Digest, Hasher};
pub use document::{MAX_DOCUMENT_BYTES, Manifest};
pub use error::Error;
pub use platform::Platform;
pub use recipe::{Meter, Progress, Recipe};
pub use reference::Reference;
pub use scope::{Scope, ScopeName};
pub use store::{
    Blob, Image, Incoming, Layer, Lease, Problem, Pruned, Receiving, Record, Removed, Store, Tar,
};
pub use tar_stream::open_tar;
