//! Reading images out of the store.

use std::fs::File;
use std::io::Read;

use oci_spec::image::{Descriptor, ImageConfiguration, ImageManifest, MediaType};

use super::Store;
use crate::image::compression::{Compression, uncompressed};
use crate::image::document::{self, Manifest};
use crate::image::names::{Entry, Names};
use crate::image::{Digest, Error, Platform, Reference, Scope};
use crate::supervisor::name::DiffId;
use crate::supervisor::protocol::MAX_LAYERS;

/// Indexes inside indexes that are followed.
const MAX_DEPTH: usize = 3;

/// An image of the store, for this host's platform.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its name; `None` once another image took it.
    pub reference: Option<Reference>,
    /// What the name stands for: its manifest, or the index that it was chosen from.
    pub target: Descriptor,
    /// Its manifest.
    pub manifest: Descriptor,
    /// Digest of its configuration: its id, as `docker` calls it.
    pub id: Digest,
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

    /// Digest of what its name stands for.
    ///
    /// # Errors
    /// Never for an image that came from the store.
    pub fn digest(&self) -> Result<Digest, Error> {
        Digest::promised(&self.target)
    }

    /// Digests of its layers, as the supervisor names them.
    pub fn diff_ids(&self) -> Vec<DiffId> {
        self.layers.iter().map(|layer| layer.diff_id.clone()).collect()
    }
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Digest of the blob, which may be compressed.
    pub blob: Digest,
    /// Digest of the uncompressed tar.
    pub diff_id: DiffId,
    /// Size of the blob.
    pub size_bytes: u64,
    /// As its manifest calls it.
    pub media_type: MediaType,
}

/// A layer as an uncompressed tar.
pub enum Tar {
    /// A file that is one.
    File(File),
    /// A stream that becomes one.
    Stream(Box<dyn Read + Send>),
}

impl Store {
    /// All images that a scope sees, by name; its own before the node's.
    ///
    /// # Errors
    /// When a document of the store cannot be read.
    pub fn images(&self, scope: &Scope) -> Result<Vec<Image>, Error> {
        let mut images = Vec::new();
        for names in self.visible(scope)? {
            for entry in names.entries().iter().filter(|entry| entry.subject.is_none()) {
                images.push(self.read_image(entry.reference.as_ref(), &entry.target)?);
            }
        }
        Ok(images)
    }

    /// The image of a name; `None` when the scope sees none.
    ///
    /// # Errors
    /// As for [`Store::images`].
    pub fn image(&self, scope: &Scope, reference: &Reference) -> Result<Option<Image>, Error> {
        for names in self.visible(scope)? {
            if let Some(entry) = names.find(reference) {
                return self.read_image(entry.reference.as_ref(), &entry.target).map(Some);
            }
        }
        Ok(None)
    }

    /// The image that a person means: by name, or by the beginning of its id or digest.
    ///
    /// # Errors
    /// When there is none or more than one.
    pub fn find(&self, scope: &Scope, text: &str) -> Result<Image, Error> {
        if let Ok(reference) = text.parse::<Reference>()
            && let Some(image) = self.image(scope, &reference)?
        {
            return Ok(image);
        }
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        let is_id = digits.len() >= 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let images = if is_id { self.images(scope)? } else { Vec::new() };
        let begins = |image: &Image| {
            let target = image.digest().is_ok_and(|digest| digest.hex().starts_with(digits));
            image.id.hex().starts_with(digits) || target
        };
        let mut found = images.into_iter().filter(begins);
        let first = found.next().ok_or_else(|| Error::UnknownImage(text.chars().take(150).collect()))?;
        match found.any(|other| other.id != first.id) {
            true => Err(Error::Ambiguous(text.to_owned())),
            false => Ok(first),
        }
    }

    /// An image by what a name would stand for, for this host or another platform.
    ///
    /// # Errors
    /// When a document is missing, wrong, or for other platforms only.
    pub fn image_of(&self, target: &Descriptor, platform: &Platform) -> Result<Image, Error> {
        let descriptor = self.choose_manifest(target.clone(), platform, MAX_DEPTH)?;
        let manifest = match self.manifest(&descriptor)? {
            Manifest::Image(manifest) => *manifest,
            Manifest::Index(_) => return Err(Error::document("an index", "it is nested too deep")),
        };
        let id = Digest::promised(manifest.config())?;
        let configuration = self.configuration(&id)?;
        let layers = pair(&manifest, &configuration)?;
        let (reference, target) = (None, target.clone());
        Ok(Image { reference, target, manifest: descriptor, id, layers, configuration })
    }

    /// A manifest or index.
    ///
    /// # Errors
    /// When it is missing or none.
    pub fn manifest(&self, descriptor: &Descriptor) -> Result<Manifest, Error> {
        let bytes = self.document(&Digest::promised(descriptor)?)?;
        Manifest::parse(&bytes, descriptor.media_type())
    }

    /// A blob that is a document.
    ///
    /// # Errors
    /// When it is missing or too large.
    pub fn document(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        document::read(self.open_blob(digest)?, &digest.to_string())
    }

    /// A layer as an uncompressed tar, from its beginning.
    ///
    /// # Errors
    /// When its blob is missing or compressed in an unknown way.
    pub fn layer_tar(&self, layer: &Layer) -> Result<Tar, Error> {
        let mut file = self.open_blob(&layer.blob)?;
        let what = layer.blob.to_string();
        Ok(match Compression::of_file(&mut file, &what)? {
            Compression::None => Tar::File(file),
            _ => Tar::Stream(uncompressed(file, &what)?),
        })
    }

    /// What a scope keeps about a manifest.
    ///
    /// # Errors
    /// When a document of the store cannot be read.
    pub fn referrers(&self, scope: &Scope, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
        let names = self.visible(scope)?;
        let about =
            names.iter().flat_map(Names::entries).filter(|entry| entry.subject.as_ref() == Some(subject));
        Ok(about.map(|entry| entry.target.clone()).collect())
    }

    fn visible(&self, scope: &Scope) -> Result<Vec<Names>, Error> {
        let scopes = [Some(scope), (*scope != Scope::Node).then_some(&Scope::Node)];
        scopes.into_iter().flatten().map(|scope| Names::read(&self.names_of(scope))).collect()
    }

    pub(super) fn read_image(&self, name: Option<&Reference>, target: &Descriptor) -> Result<Image, Error> {
        let image = self.image_of(target, &Platform::host())?;
        Ok(Image { reference: name.cloned(), ..image })
    }

    fn configuration(&self, id: &Digest) -> Result<ImageConfiguration, Error> {
        document::parse(&self.document(id)?, "an image's configuration")
    }

    fn choose_manifest(
        &self,
        target: Descriptor,
        platform: &Platform,
        depth: usize,
    ) -> Result<Descriptor, Error> {
        match (self.manifest(&target)?, depth.checked_sub(1)) {
            (Manifest::Image(_), _) | (_, None) => Ok(target),
            (Manifest::Index(index), Some(depth)) => {
                // An image for another platform may have been asked for: then it is the only one that is here.
                let chosen =
                    platform.choose(&index).or_else(|error| self.only_present(&index).ok_or(error))?;
                self.choose_manifest(chosen.clone(), platform, depth)
            }
        }
    }

    fn only_present<'a>(&self, index: &'a oci_spec::image::ImageIndex) -> Option<&'a Descriptor> {
        let is_image = |found: &&Descriptor| {
            let known = |platform: &oci_spec::image::Platform| platform.os().to_string() != "unknown";
            found.platform().as_ref().is_none_or(known)
                && Digest::promised(found).is_ok_and(|digest| self.has(&digest))
        };
        let mut present = index.manifests().iter().filter(is_image);
        present.next().filter(|_| present.next().is_none())
    }
}

impl Entry {
    /// Whether it is an image of its own.
    pub(super) fn is_image(&self) -> bool {
        self.subject.is_none()
    }
}

/// Ties each layer of a manifest to its diffID (OCI image spec, "config": they are in the same order).
pub(in crate::image) fn pair(
    manifest: &ImageManifest,
    configuration: &ImageConfiguration,
) -> Result<Vec<Layer>, Error> {
    let diff_ids = configuration.rootfs().diff_ids();
    let layers = manifest.layers();
    if layers.len() != diff_ids.len() || layers.len() > MAX_LAYERS {
        let cause =
            format!("{} layers and {} diffIDs, up to {MAX_LAYERS} of both", layers.len(), diff_ids.len());
        return Err(Error::document("an image's manifest and configuration", cause));
    }
    let pairs = layers.iter().zip(diff_ids).map(|(layer, diff_id)| {
        let diff_id =
            DiffId::try_from(diff_id.clone()).map_err(|cause| Error::document("a diffID", cause))?;
        let (blob, media_type) = (Digest::promised(layer)?, layer.media_type().clone());
        Ok(Layer { blob, diff_id, size_bytes: layer.size(), media_type })
    });
    pairs.collect()
}
