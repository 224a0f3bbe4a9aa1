//! A layer as the supervisor takes it: an uncompressed tar with a checked digest.

use std::fs::File;
use std::io::Seek;

use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::archive::{Compression, compression, spool};
use super::ingest::{copy, hex, unnamed_file};
use super::store::{Layer, Store};
use super::{Error, Reference};
use crate::supervisor::name::DiffId;

impl Store {
    /// Opens a layer as an uncompressed tar, at its beginning. A compressed one is unpacked into a file without a
    /// name, which takes its size on the disk until it is closed.
    ///
    /// # Errors
    /// When there is no such image or layer, or its content cannot be read.
    pub fn layer_tar(&self, reference: &Reference, layer: &DiffId) -> Result<File, Error> {
        let image = self.image(reference)?.ok_or_else(|| Error::UnknownImage(reference.clone()))?;
        let found = image.layers.into_iter().find(|candidate| candidate.diff_id == *layer);
        let Layer { blob, .. } = found.ok_or_else(|| Error::Missing(layer.to_string()))?;
        uncompressed(self.open_blob(&blob)?, || unnamed_file(&self.ingest()))
    }
}

/// The file itself, or what it unpacks to in a file that `scratch` makes.
pub(super) fn uncompressed(
    mut file: File,
    scratch: impl FnOnce() -> Result<File, Error>,
) -> Result<File, Error> {
    match compression(&mut file, "a layer")? {
        Compression::None => Ok(file),
        Compression::Gzip => spool(MultiGzDecoder::new(file), scratch()?, "a layer"),
    }
}

/// The diffID of an uncompressed tar; goes back to its beginning.
pub(super) fn diff_id(tar: &mut File) -> Result<DiffId, Error> {
    let mut digest = Sha256::new();
    tar.rewind().map_err(Error::io("read", "a layer"))?;
    copy(tar, |bytes| {
        digest.update(bytes);
        Ok(())
    })
    .map_err(Error::io("read", "a layer"))?;
    tar.rewind().map_err(Error::io("read", "a layer"))?;
    DiffId::try_from(hex(&digest.finalize())).map_err(|cause| Error::document("a digest", cause))
}
