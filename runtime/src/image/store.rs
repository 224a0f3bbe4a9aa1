//! The content store: an OCI image layout, with a lock for those who change it.
//!
//! ```text
//! oci-layout   index.json   lock   blobs/sha256/<digest>   ingest/<import>/
//! ```

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use nix::fcntl::{Flock, FlockArg};
use oci_spec::image::{Descriptor, ImageConfiguration, ImageManifest, Sha256Digest};
use serde::de::DeserializeOwned;

use super::index::{Index, read_document, replace};
use super::ingest::Ingest;
use super::{Error, Reference};
use crate::supervisor::name::DiffId;
use crate::supervisor::protocol::MAX_LAYERS;

/// A store at its place.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// An image of the store.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its name.
    pub reference: Reference,
    /// Digest of its manifest.
    pub digest: Sha256Digest,
    /// Its layers, the lowest first.
    pub layers: Vec<Layer>,
    /// Its configuration: environment, user, command and so on.
    pub configuration: ImageConfiguration,
}

impl Image {
    /// Bytes that its layers take in the store.
    pub fn size_bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.size_bytes).sum()
    }
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Digest of the blob, which may be compressed.
    pub blob: Sha256Digest,
    /// Digest of the uncompressed tar.
    pub diff_id: DiffId,
    /// Size of the blob.
    pub size_bytes: u64,
}

impl Store {
    /// Opens the store, and makes it first where there is none. What dead imports left is removed.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn open(root: &Path) -> Result<Self, Error> {
        let store = Self { root: root.to_owned() };
        let name = root.display().to_string();
        for folder in [store.blobs(), store.ingest()] {
            fs::create_dir_all(folder).map_err(Error::io("create", name.clone()))?;
        }
        let lock = store.lock()?;
        let layout = root.join("oci-layout");
        if !layout.exists() {
            replace(&layout, br#"{"imageLayoutVersion":"1.0.0"}"#)
                .map_err(Error::io("write", name.clone()))?;
            Index::default().write(&store.index())?;
        }
        Ingest::remove_abandoned(&store.ingest()).map_err(Error::io("tidy", name))?;
        drop(lock);
        Ok(store)
    }

    /// All images, by name.
    ///
    /// # Errors
    /// When a document of the store cannot be read.
    pub fn images(&self) -> Result<Vec<Image>, Error> {
        let index = Index::read(&self.index())?;
        index.entries().iter().map(|(reference, descriptor)| self.read_image(reference, descriptor)).collect()
    }

    /// One image; `None` when there is none of this name.
    ///
    /// # Errors
    /// As for [`Store::images`].
    pub fn image(&self, reference: &Reference) -> Result<Option<Image>, Error> {
        let index = Index::read(&self.index())?;
        index.find(reference).map(|descriptor| self.read_image(reference, descriptor)).transpose()
    }

    /// Layers of an image, the lowest first, as the supervisor names them.
    ///
    /// # Errors
    /// As for [`Store::images`]; and when there is no such image.
    pub fn layers_of(&self, reference: &Reference) -> Result<Vec<DiffId>, Error> {
        let image = self.image(reference)?.ok_or_else(|| Error::UnknownImage(reference.clone()))?;
        Ok(image.layers.into_iter().map(|layer| layer.diff_id).collect())
    }

    /// Forgets an image, and removes the blobs that no other one needs. Whether there was one.
    ///
    /// # Errors
    /// When a document cannot be read or the file system refuses.
    pub fn remove(&self, reference: &Reference) -> Result<bool, Error> {
        let lock = self.lock()?;
        let mut index = Index::read(&self.index())?;
        let was_there = index.remove(reference);
        if was_there {
            index.write(&self.index())?;
            self.remove_unused(&index)?;
        }
        drop(lock);
        Ok(was_there)
    }

    /// Starts bringing content in.
    pub(super) fn begin(&self) -> Result<Ingest, Error> {
        Ingest::begin(&self.ingest())
    }

    /// Moves an import's blobs in and names its images.
    pub(super) fn commit(
        &self,
        ingest: &Ingest,
        images: &[(Reference, Sha256Digest, u64)],
    ) -> Result<(), Error> {
        let lock = self.lock()?;
        ingest.publish(&self.blobs()).map_err(Error::io("fill", self.root.display().to_string()))?;
        let mut index = Index::read(&self.index())?;
        for (reference, digest, size) in images {
            index.set(reference, digest, *size);
        }
        index.write(&self.index())?;
        // The image that had the name before may be the last that used its blobs.
        self.remove_unused(&index)?;
        drop(lock);
        Ok(())
    }

    /// Opens a blob for reading.
    pub(super) fn open_blob(&self, digest: &Sha256Digest) -> Result<File, Error> {
        File::open(self.blobs().join(digest.digest())).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::UnknownBlob(digest.clone()),
            _ => Error::io("open", digest.digest())(error),
        })
    }

    /// Where unnamed files may be made.
    pub(super) fn ingest(&self) -> PathBuf {
        self.root.join("ingest")
    }

    fn blobs(&self) -> PathBuf {
        self.root.join("blobs/sha256")
    }

    fn index(&self) -> PathBuf {
        self.root.join("index.json")
    }

    fn lock(&self) -> Result<Flock<File>, Error> {
        let path = self.root.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(Error::io("open", path.display().to_string()))?;
        Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, errno)| Error::io("lock", path.display().to_string())(errno.into()))
    }

    fn read_image(&self, reference: &Reference, descriptor: &Descriptor) -> Result<Image, Error> {
        let digest = sha256_of(descriptor)?;
        let manifest: ImageManifest = self.read_json(&digest)?;
        let configuration: ImageConfiguration = self.read_json(&sha256_of(manifest.config())?)?;
        let layers = pair(&manifest, &configuration)?;
        Ok(Image { reference: reference.clone(), digest, layers, configuration })
    }

    fn read_json<T: DeserializeOwned>(&self, digest: &Sha256Digest) -> Result<T, Error> {
        let bytes = read_document(self.open_blob(digest)?, digest.digest())?;
        serde_json::from_slice(&bytes).map_err(|cause| Error::document(digest.digest(), cause))
    }

    fn remove_unused(&self, index: &Index) -> Result<(), Error> {
        let mut used = HashSet::new();
        for (reference, descriptor) in index.entries() {
            let image = self.read_image(reference, descriptor)?;
            let manifest: ImageManifest = self.read_json(&image.digest)?;
            used.insert(image.digest.digest().to_owned());
            used.insert(sha256_of(manifest.config())?.digest().to_owned());
            used.extend(image.layers.iter().map(|layer| layer.blob.digest().to_owned()));
        }
        let failed = || Error::io("tidy", self.root.display().to_string());
        for entry in fs::read_dir(self.blobs()).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            if !used.contains(entry.file_name().to_string_lossy().as_ref()) {
                fs::remove_file(entry.path()).map_err(failed())?;
            }
        }
        Ok(())
    }
}

/// The digest of a descriptor, which must be by SHA-256.
pub(super) fn sha256_of(descriptor: &Descriptor) -> Result<Sha256Digest, Error> {
    let text = descriptor.digest().as_ref();
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    Sha256Digest::from_str(hex).map_err(|cause| Error::document(format!("digest `{text}`"), cause))
}

/// Ties each layer of a manifest to its diffID.
pub(super) fn pair(
    manifest: &ImageManifest,
    configuration: &ImageConfiguration,
) -> Result<Vec<Layer>, Error> {
    let diff_ids = configuration.rootfs().diff_ids();
    let layers = manifest.layers();
    if layers.len() != diff_ids.len() || !(1..=MAX_LAYERS).contains(&layers.len()) {
        let cause =
            format!("{} layers and {} diffIDs, up to {MAX_LAYERS} of both", layers.len(), diff_ids.len());
        return Err(Error::document("an image's manifest and configuration", cause));
    }
    let pairs = layers.iter().zip(diff_ids).map(|(layer, diff_id)| {
        let diff_id =
            DiffId::try_from(diff_id.clone()).map_err(|cause| Error::document("a diffID", cause))?;
        Ok(Layer { blob: sha256_of(layer)?, diff_id, size_bytes: layer.size() })
    });
    pairs.collect()
}
