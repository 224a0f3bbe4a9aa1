//! Results of build steps: small records under a key, which keep the layers that they speak of.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use nix::fcntl::FlockArg;
use serde::{Deserialize, Serialize};

use super::collect::Used;
use super::{Lease, Store};
use crate::image::document::{self, MAX_DOCUMENT_BYTES};
use crate::image::{Digest, Error, Scope};
use crate::supervisor::name::DiffId;

/// What one step came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Blobs that it needs.
    pub blobs: Vec<Digest>,
    /// Layers that it needs.
    pub layers: Vec<DiffId>,
    /// Whatever its maker notes.
    pub note: serde_json::Value,
}

impl Store {
    /// The result under a key, if there is one and all its blobs are here: `lease` holds them from now on. A record that
    /// cannot be read is none.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn record(&self, scope: &Scope, key: &Digest, lease: &Lease) -> Result<Option<Record>, Error> {
        let record = match fs::read(self.record_path(scope, key)) {
            Ok(text) => serde_json::from_slice::<Record>(&text).ok(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(self.refused("read a record of")(error)),
        };
        let Some(record) = record else { return Ok(None) };
        for blob in &record.blobs {
            if !lease.hold(blob)? {
                return Ok(None);
            }
        }
        Ok(Some(record))
    }

    /// Notes a result. Its blobs are held by a lease of the caller.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn put_record(&self, scope: &Scope, key: &Digest, record: &Record) -> Result<(), Error> {
        let text = serde_json::to_vec(record).map_err(|cause| Error::document("a record", cause))?;
        if text.len() as u64 > MAX_DOCUMENT_BYTES {
            return Err(Error::TooLarge { object: "a record".to_owned(), limit: MAX_DOCUMENT_BYTES });
        }
        let path = self.record_path(scope, key);
        let _lock = self.lock(FlockArg::LockExclusive)?;
        fs::create_dir_all(self.records(scope))
            .and_then(|()| document::replace(&path, &text))
            .map_err(self.refused("write a record of"))
    }

    pub(super) fn forget_records(&self, scope: &Scope) -> Result<(), Error> {
        match fs::remove_dir_all(self.records(scope)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(self.refused("forget the records of")),
        }
    }

    pub(super) fn mark_records(&self, used: &mut Used) -> Result<(), Error> {
        for folder in fs::read_dir(self.cache()).map_err(self.refused("read"))? {
            let folder = folder.map_err(self.refused("read"))?.path();
            let (blobs, layers) = self.read_records(&folder)?;
            used.blobs.extend(blobs);
            used.layers.extend(layers);
        }
        Ok(())
    }

    pub(super) fn records_of(&self, scope: &Scope) -> Result<(HashSet<Digest>, HashSet<DiffId>), Error> {
        self.read_records(&self.records(scope))
    }

    fn read_records(&self, folder: &PathBuf) -> Result<(HashSet<Digest>, HashSet<DiffId>), Error> {
        let (mut blobs, mut layers) = (HashSet::new(), HashSet::new());
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((blobs, layers)),
            other => other.map_err(self.refused("read"))?,
        };
        for entry in entries {
            let text = fs::read(entry.map_err(self.refused("read"))?.path()).map_err(self.refused("read"))?;
            // One that is damaged is no result, so it keeps nothing.
            if let Ok(record) = serde_json::from_slice::<Record>(&text) {
                blobs.extend(record.blobs);
                layers.extend(record.layers);
            }
        }
        Ok((blobs, layers))
    }

    fn records(&self, scope: &Scope) -> PathBuf {
        self.cache().join(match scope {
            Scope::Node => "node".to_owned(),
            Scope::Session(name) => format!("session-{}", name.as_str()),
        })
    }

    fn record_path(&self, scope: &Scope, key: &Digest) -> PathBuf {
        self.records(scope).join(key.hex())
    }
}
