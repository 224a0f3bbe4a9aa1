//! Bringing images of an archive in: an OCI layout, or what `docker save` writes, each plain or compressed.

mod docker;
mod oci;

use std::fs::File;

use oci_spec::image::Descriptor;

use super::archive::Archive;
use super::compression::{copy, uncompressed};
use super::digest::{Algorithm, Hasher};
use super::{Digest, Error, Image, Layer, Lease, Platform, Reference, Scope, Store};

/// What an archive holds.
#[derive(Debug, Default)]
struct Found {
    /// Images, of which one may have several names or none.
    images: Vec<(Option<Reference>, Descriptor)>,
    /// Manifests about others, with what they are about.
    about: Vec<(Digest, Descriptor)>,
}

impl Store {
    /// Loads every image of an archive, under the names that the archive gives; one without is found by its id. Every
    /// digest is verified before anything is visible.
    ///
    /// # Errors
    /// When the archive is none of the kinds, or lies; nothing has changed then.
    pub fn load(&self, scope: &Scope, input: File) -> Result<Vec<Image>, Error> {
        let lease = self.lease()?;
        let archive = Archive::open(input, self)?;
        let found = if archive.has("oci-layout") && archive.has("index.json") {
            oci::load(&archive, &lease)?
        } else if archive.has("manifest.json") && docker::is_list(&archive) {
            docker::load(&archive, &lease)?
        } else {
            return Err(Error::NoImage);
        };
        if found.images.is_empty() {
            return Err(Error::NoImage);
        }
        let read = |(name, target): &(Option<Reference>, Descriptor)| {
            let image = self.image_of(target, &Platform::host())?;
            Ok(Image { reference: name.clone(), ..image })
        };
        let images: Vec<Image> = found.images.iter().map(read).collect::<Result<_, Error>>()?;
        images.iter().flat_map(|image| &image.layers).try_for_each(|layer| self.verify_layer(layer))?;
        lease.commit(scope, &found.images)?;
        for (subject, target) in &found.about {
            lease.commit_about(scope, subject, target)?;
        }
        Ok(images)
    }

    /// Verifies that a layer is the tar that its configuration speaks of.
    ///
    /// # Errors
    /// When it is another one, or cannot be read.
    pub fn verify_layer(&self, layer: &Layer) -> Result<(), Error> {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        let mut tar = uncompressed(self.open_blob(&layer.blob)?, "a layer")?;
        copy(&mut tar, |bytes| {
            hasher.update(bytes);
            Ok(())
        })
        .map_err(Error::io("read", layer.blob.to_string()))?;
        let (expected, found) = (layer.diff_id.to_string().parse()?, hasher.finish());
        if expected == found {
            return Ok(());
        }
        Err(Error::Digest { object: "a layer".to_owned(), expected, found })
    }
}

/// Brings a member in that a descriptor promises.
fn take(archive: &Archive, lease: &Lease, promised: &Descriptor) -> Result<(), Error> {
    let name = member(promised)?;
    lease.add_promised(promised, &mut archive.member(&name)?).map(drop)
}

fn member(descriptor: &Descriptor) -> Result<String, Error> {
    let digest = Digest::promised(descriptor)?;
    Ok(format!("blobs/{}/{}", digest.algorithm().name(), digest.hex()))
}
