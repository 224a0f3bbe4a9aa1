//! JSON documents of images: bounded when read, replaced at once when written.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use oci_spec::image::{Descriptor, ImageIndex, ImageManifest, MediaType};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Error, media};

/// Longest JSON document that is read (OCI distribution spec: registries must take manifests of 4 MiB).
pub const MAX_DOCUMENT_BYTES: u64 = 4 << 20;

/// A manifest or an index.
#[derive(Debug, Clone)]
pub enum Manifest {
    /// Of one image or artifact.
    Image(Box<ImageManifest>),
    /// A list of manifests.
    Index(Box<ImageIndex>),
}

impl Manifest {
    /// Reads a document that has this media type.
    ///
    /// # Errors
    /// When it is neither, or both at once: readers must not differ about what a digest stands for (CVE-2021-41190).
    pub fn parse(bytes: &[u8], kind: &MediaType) -> Result<Self, Error> {
        let shape: Shape = parse(bytes, "a manifest")?;
        if let Some(own) = shape.media_type.filter(|own| own != kind.as_ref()) {
            return Err(Error::document("a manifest", format!("it calls itself {own}, but goes by {kind}")));
        }
        let (is_index, is_image) = (media::is_index(kind), media::is_manifest(kind));
        match (
            is_index,
            shape.manifests.is_some(),
            is_image,
            shape.layers.is_some() || shape.config.is_some(),
        ) {
            (true, _, _, false) => Ok(Self::Index(Box::new(parse(bytes, "an index")?))),
            (_, false, true, _) => Ok(Self::Image(parse(bytes, "a manifest")?)),
            (false, _, false, _) => Err(Error::document("a manifest", format!("{kind} is not supported"))),
            _ => Err(Error::document("a manifest", "it is both a manifest and an index")),
        }
    }

    /// Everything that it names.
    pub fn children(&self) -> Vec<&Descriptor> {
        match self {
            Self::Image(manifest) => std::iter::once(manifest.config()).chain(manifest.layers()).collect(),
            Self::Index(index) => index.manifests().iter().collect(),
        }
    }

    /// The digest of what it is about, where it is the signature or the like of something.
    pub fn subject(&self) -> Option<&Descriptor> {
        match self {
            Self::Image(manifest) => manifest.subject().as_ref(),
            Self::Index(index) => index.subject().as_ref(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    media_type: Option<String>,
    manifests: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
    config: Option<serde::de::IgnoredAny>,
}

/// Reads a bounded document.
pub(super) fn read(from: impl Read, what: &str) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    from.take(MAX_DOCUMENT_BYTES + 1).read_to_end(&mut bytes).map_err(Error::io("read", what))?;
    if bytes.len() as u64 > MAX_DOCUMENT_BYTES {
        return Err(Error::TooLarge { object: what.to_owned(), limit: MAX_DOCUMENT_BYTES });
    }
    Ok(bytes)
}

/// Understands a document.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|cause| Error::document(what, cause))
}

/// Writes a file so that it is always either the old or the new one, also after a power cut.
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_that_could_be_read_in_two_ways_is_refused() {
        let both = br#"{"schemaVersion":2,"manifests":[],"layers":[]}"#;
        assert!(Manifest::parse(both, &MediaType::ImageIndex).is_err());
        assert!(Manifest::parse(both, &MediaType::ImageManifest).is_err());
        let other =
            br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
        assert!(Manifest::parse(other, &MediaType::ImageIndex).is_ok());
        assert!(Manifest::parse(other, &MediaType::ImageManifest).is_err());
        assert!(Manifest::parse(other, &MediaType::Other("text/plain".to_owned())).is_err());
    }
}
