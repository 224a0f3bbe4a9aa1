//! The content store: an OCI image layout with the names of several scopes, and a lock for those who change it.
//!
//! ```text
//! oci-layout   lock
//! index.json                      names of the node's own images
//! scopes/<session>.json           names of a session's images
//! blobs/{sha256,sha512}/<digest>  content, complete and verified
//! incoming/<digest>.part          content on its way in; what a dead process left is gone on with
//! leases/<process>                digests that a living process needs; locked while it lives
//! cache/<scope>/<key>             results of build steps
//! ```
//!
//! A blob gets its name only when it is complete, on the disk and verified. It stays as long as a name, a result or a
//! living lease leads to it; so the one who removes may be killed at any moment, and nobody who adds can lose what he has.

mod blob;
mod cache;
mod collect;
mod lease;
mod look;
mod naming;
mod scratch;
mod verify;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

pub use blob::{Blob, Incoming, Receiving};
pub use cache::Record;
pub use collect::Pruned;
pub use lease::Lease;
pub use look::{Image, Layer, Tar};
pub use naming::Removed;
pub use verify::Problem;

use super::digest::Algorithm;
use super::document::replace;
use super::names::Names;
use super::{Digest, Error, Scope};

/// A store at its place.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// Opens the store, and makes it first where there is none. What dead processes left and nobody can go on with is
    /// removed.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let store = Self { root: root.to_owned() };
        let name = root.display().to_string();
        let blobs = Algorithm::ALL.map(|algorithm| store.blobs(algorithm));
        for folder in
            blobs.iter().chain(&["incoming", "leases", "scopes", "cache"].map(|name| root.join(name)))
        {
            fs::create_dir_all(folder).map_err(Error::io("create", name.clone()))?;
        }
        let lock = store.lock(FlockArg::LockExclusive)?;
        let layout = root.join("oci-layout");
        if !layout.exists() {
            Names::default().write(&store.names_of(&Scope::Node))?;
            replace(&layout, br#"{"imageLayoutVersion":"1.0.0"}"#)
                .map_err(Error::io("write", name.clone()))?;
        }
        lease::remove_abandoned(&store.leases()).map_err(Error::io("tidy", name.clone()))?;
        blob::remove_abandoned(&store.incoming()).map_err(Error::io("tidy", name))?;
        drop(lock);
        Ok(store)
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Opens a blob for reading.
    ///
    /// # Errors
    /// When there is none, or the file system refuses.
    pub fn open_blob(&self, digest: &Digest) -> Result<File, Error> {
        File::open(self.blob(digest)).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::UnknownBlob(digest.clone()),
            _ => Error::io("open", digest.to_string())(error),
        })
    }

    /// Whether a blob is there. It may be gone a moment later, unless a lease holds it.
    pub fn has(&self, digest: &Digest) -> bool {
        self.blob(digest).exists()
    }

    fn blobs(&self, algorithm: Algorithm) -> PathBuf {
        self.root.join("blobs").join(algorithm.name())
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        self.blobs(digest.algorithm()).join(digest.hex())
    }

    fn incoming(&self) -> PathBuf {
        self.root.join("incoming")
    }

    fn leases(&self) -> PathBuf {
        self.root.join("leases")
    }

    fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    fn names_of(&self, scope: &Scope) -> PathBuf {
        match scope {
            Scope::Node => self.root.join("index.json"),
            Scope::Session(name) => self.root.join("scopes").join(format!("{}.json", name.as_str())),
        }
    }

    /// Exclusive to change names or remove anything; shared to rely on a blob.
    fn lock(&self, how: FlockArg) -> Result<Flock<File>, Error> {
        let path = self.root.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(Error::io("open", path.display().to_string()))?;
        Flock::lock(file, how)
            .map_err(|(_, errno)| Error::io("lock", path.display().to_string())(errno.into()))
    }
}
