//! A client of OCI distribution registries (distribution spec 1.1; Docker's registry HTTP API V2 where that is older).
//!
//! It moves manifests and blobs between a registry and its caller, and knows nothing of the content store. Whoever stores
//! a blob hashes it: the stream is bounded and resumed here, its digest is the store's proof. Manifests are proved here.
//!
//! It is our own over `reqwest`, not `oci-client`: that crate builds its HTTP client itself, so redirects and addresses
//! cannot be ruled from outside; it resolves names by the C library, bounds neither slow nor endless answers, and leaves
//! resuming and tries to its caller. HTTP/1.1 only: one connection for each transfer holds back its sender by TCP alone,
//! with a bounded buffer.
//!
//! ```text
//! Client        what is asked for: manifest, blob, upload, tags, referrers
//!   exchange    credentials and tokens, retries
//!     transport one request: redirects hop by hop, each checked, credentials for the first host only
//!       names   addresses of a host, filtered; what is connected to is what was checked
//! ```

mod address;
mod backoff;
mod blob;
mod challenge;
mod client;
mod credentials;
mod download;
mod error;
mod exchange;
mod manifest;
mod media;
mod names;
mod pace;
mod referrers;
mod settings;
mod site;
mod tags;
mod tls;
mod token;
mod transport;
mod upload;

pub use address::Trust;
pub use blob::Blob;
pub use challenge::Challenge;
pub use client::Client;
pub use credentials::{Credential, Credentials};
pub use download::Download;
pub use error::{Error, Said};
pub use manifest::{Fetched, Found, MAX_MANIFEST_BYTES};
pub(crate) use names::{NoAddress, all_addresses};
pub use settings::{NameServers, Settings, Timing};
pub use upload::{Outgoing, Pushed};
