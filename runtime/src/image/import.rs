//! Bringing an archive into the store: an OCI layout, what `docker save` writes, or the tar of a root file system,
//! each plain or by gzip.

mod docker;
mod oci;
mod rootfs;

use std::fs::File;

use flate2::read::MultiGzDecoder;
use oci_spec::image::{ImageConfiguration, ImageManifest, Sha256Digest};

use super::archive::{Archive, Compression, compression, spool};
use super::ingest::Ingest;
use super::store::{Store, pair};
use super::{Error, Reference, layer};

/// An image of an import: its name, and digest and size of its manifest.
type Named = (Reference, Sha256Digest, u64);

impl Store {
    /// Imports what `input` holds, from its beginning or as far as a pipe still gives. `reference` names the image; it must be given for
    /// a root file system, and else replaces the name in the archive, which then must hold one image only.
    /// Every digest is verified before anything is visible. Returns the names.
    ///
    /// # Errors
    /// When the archive is none of the kinds, or lies; nothing has changed then.
    pub fn import(&self, input: File, reference: Option<&Reference>) -> Result<Vec<Reference>, Error> {
        let mut ingest = self.begin()?;
        let archive = Archive::scan(plain(input, &ingest)?)?;
        let images = if archive.has("oci-layout") && archive.has("index.json") {
            oci::import(&archive, &mut ingest, reference)?
        } else if archive.has("manifest.json") && docker::is_list(&archive) {
            docker::import(&archive, &mut ingest, reference)?
        } else if archive.entries > 0 {
            let reference = reference.ok_or(Error::NoReference)?;
            vec![rootfs::import(archive.into_file()?, &mut ingest, reference)?]
        } else {
            return Err(Error::NoImage);
        };
        self.commit(&ingest, &images)?;
        Ok(images.into_iter().map(|(name, ..)| name).collect())
    }
}

/// The archive as an uncompressed file that can be read twice.
fn plain(mut input: File, ingest: &Ingest) -> Result<File, Error> {
    let is_file = input.metadata().map_err(Error::io("read", "the archive"))?.is_file();
    if !is_file {
        input = spool(input, ingest.scratch()?, "the archive")?;
    }
    match compression(&mut input, "the archive")? {
        Compression::None => Ok(input),
        Compression::Gzip => spool(MultiGzDecoder::new(input), ingest.scratch()?, "the archive"),
    }
}

/// Verifies that each layer of the import unpacks to its diffID.
fn verify(
    ingest: &Ingest,
    manifest: &ImageManifest,
    configuration: &ImageConfiguration,
) -> Result<(), Error> {
    for expected in pair(manifest, configuration)? {
        let mut tar = layer::uncompressed(ingest.open(&expected.blob)?, || ingest.scratch())?;
        let found = layer::diff_id(&mut tar)?;
        if found != expected.diff_id {
            let (expected, found) = (expected.diff_id.as_hex().to_owned(), found.as_hex().to_owned());
            return Err(Error::Digest { object: "a layer".to_owned(), expected, found });
        }
    }
    Ok(())
}

/// The name of the only image of an archive, or of one among several.
fn choose_name(
    given: Option<&Reference>,
    images: usize,
    own: Option<&str>,
) -> Result<Option<Reference>, Error> {
    match (given, own) {
        (Some(given), _) if images == 1 => Ok(Some(given.clone())),
        (Some(_), _) => Err(Error::document(
            "the archive",
            format!("it holds {images} images, so it cannot take one name"),
        )),
        (None, Some(own)) => own.parse().map(Some),
        (None, None) => Ok(None),
    }
}
