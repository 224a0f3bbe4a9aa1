//! The store's `index.json`: which manifest each image name stands for.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::str::FromStr;

use oci_spec::image::{Descriptor, ImageIndex, ImageIndexBuilder, MediaType, Sha256Digest};

use super::{Error, Reference};

/// The annotation that names an image in a layout (OCI image spec, "annotations").
pub(super) const NAME: &str = "org.opencontainers.image.ref.name";
/// Longest JSON document that is read.
pub(super) const MAX_DOCUMENT_BYTES: u64 = 4 << 20;

/// Reads a bounded document.
pub(super) fn read_document(from: impl Read, what: &str) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    from.take(MAX_DOCUMENT_BYTES + 1).read_to_end(&mut bytes).map_err(Error::io("read", what))?;
    if bytes.len() as u64 > MAX_DOCUMENT_BYTES {
        return Err(Error::TooLarge { object: what.to_owned(), limit: MAX_DOCUMENT_BYTES });
    }
    Ok(bytes)
}

/// The named manifests of a layout.
#[derive(Debug, Default)]
pub(super) struct Index {
    entries: Vec<(Reference, Descriptor)>,
}

impl Index {
    /// Reads the store's index; an absent one is empty.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let file = match File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            other => other.map_err(Error::io("open", path.display().to_string()))?,
        };
        let bytes = read_document(file, "the store's index")?;
        let index: ImageIndex =
            serde_json::from_slice(&bytes).map_err(|cause| Error::document("the store's index", cause))?;
        let named = |descriptor: &Descriptor| {
            let name = descriptor.annotations().as_ref()?.get(NAME)?;
            Some((Reference::from_str(name).ok()?, descriptor.clone()))
        };
        Ok(Self { entries: index.manifests().iter().filter_map(named).collect() })
    }

    /// Replaces the index on disk at once.
    pub(super) fn write(&self, path: &Path) -> Result<(), Error> {
        let index = ImageIndexBuilder::default()
            .schema_version(2u32)
            .media_type(MediaType::ImageIndex)
            .manifests(self.entries.iter().map(|(_, descriptor)| descriptor.clone()).collect::<Vec<_>>())
            .build()
            .map_err(|cause| Error::document("the store's index", cause))?;
        let text = serde_json::to_vec(&index).map_err(|cause| Error::document("the store's index", cause))?;
        replace(path, &text).map_err(Error::io("write", path.display().to_string()))
    }

    /// Image names with their manifests.
    pub(super) fn entries(&self) -> &[(Reference, Descriptor)] {
        &self.entries
    }

    /// The manifest of an image.
    pub(super) fn find(&self, reference: &Reference) -> Option<&Descriptor> {
        self.entries.iter().find(|(name, _)| name == reference).map(|(_, descriptor)| descriptor)
    }

    /// Lets a name stand for a manifest, and no longer for another.
    pub(super) fn set(&mut self, reference: &Reference, digest: &Sha256Digest, size: u64) {
        self.remove(reference);
        let mut descriptor = Descriptor::new(MediaType::ImageManifest, size, digest.clone());
        let name = HashMap::from([(NAME.to_owned(), reference.to_string())]);
        descriptor.set_annotations(Some(name));
        self.entries.push((reference.clone(), descriptor));
        self.entries.sort_by(|a, b| a.0.cmp(&b.0));
    }

    /// Forgets a name; whether it was there.
    pub(super) fn remove(&mut self, reference: &Reference) -> bool {
        let before = self.entries.len();
        self.entries.retain(|(name, _)| name != reference);
        self.entries.len() != before
    }
}

/// Writes a file so that it is always either the old or the new one, also after a power cut.
pub(super) fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
