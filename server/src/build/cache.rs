//! Results of earlier builds: a step with the same inputs comes to the same layer.
//!
//! A key is the digest of everything that a step may see: the layers below it, its words after replacing, and for files
//! their content and metadata without times. What only describes the image is no input of a step that makes a layer.

use oci_spec::image::MediaType;
use sandlot_runtime::image::{Algorithm, Digest, Hasher, Layer, Lease, Record, Scope};
use sandlot_runtime::supervisor::name::DiffId;
use serde::{Deserialize, Serialize};

use super::error::Result;

/// Changed whenever steps come to other results than before.
const VERSION: &str = "1";

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    /// `None` for a step that changed nothing.
    layer: Option<(Digest, DiffId, u64)>,
}

/// A key in the making.
#[derive(Debug)]
pub(super) struct Key(Hasher);

impl Key {
    /// For a kind of step over these layers.
    pub(super) fn new(kind: &str, chain: &Digest, epoch: Option<i64>) -> Self {
        let mut key = Self(Hasher::new(Algorithm::Sha256));
        key.add(VERSION);
        key.add(kind);
        key.add(&chain.to_string());
        key.add(&format!("{epoch:?}"));
        key
    }

    /// One more input.
    pub(super) fn add(&mut self, text: &str) {
        self.0.update(&(text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
    }

    /// For inputs that are hashed on the way.
    pub(super) fn hasher(&mut self) -> &mut Hasher {
        &mut self.0
    }

    pub(super) fn finish(self) -> Digest {
        self.0.finish()
    }
}

/// An earlier result: no layer, or one that is here and held.
pub(super) fn find(lease: &Lease, scope: &Scope, key: &Digest) -> Result<Option<Option<Layer>>> {
    let Some(record) = lease.store().record(scope, key, lease)? else { return Ok(None) };
    let Ok(note) = serde_json::from_value::<Note>(record.note) else { return Ok(None) };
    let layer = note.layer.map(|(blob, diff_id, size_bytes)| Layer {
        blob,
        diff_id,
        size_bytes,
        media_type: MediaType::ImageLayer,
    });
    Ok(Some(layer))
}

/// Notes a result for later builds.
pub(super) fn put(lease: &Lease, scope: &Scope, key: &Digest, layer: Option<&Layer>) -> Result<()> {
    let note =
        Note { layer: layer.map(|layer| (layer.blob.clone(), layer.diff_id.clone(), layer.size_bytes)) };
    let record = Record {
        blobs: layer.iter().map(|layer| layer.blob.clone()).collect(),
        layers: layer.iter().map(|layer| layer.diff_id.clone()).collect(),
        note: serde_json::to_value(note).unwrap_or_default(),
    };
    Ok(lease.store().put_record(scope, key, &record)?)
}
