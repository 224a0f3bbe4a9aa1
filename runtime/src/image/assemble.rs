//! Putting an image together from its layers: configuration and manifest as blobs.

use oci_spec::image::{Descriptor, ImageConfiguration, ImageManifestBuilder, MediaType};
use serde::Serialize;

use super::{Error, Lease};

/// Writes configuration and manifest; returns the manifest's descriptor. The layers are held by the lease.
///
/// # Errors
/// When the file system refuses.
pub fn image(
    lease: &Lease,
    configuration: &ImageConfiguration,
    layers: Vec<Descriptor>,
) -> Result<Descriptor, Error> {
    let configuration = add_json(lease, MediaType::ImageConfig, configuration)?;
    manifest(lease, configuration, layers)
}

/// Writes a manifest over a configuration that is there.
///
/// # Errors
/// When the file system refuses.
pub fn manifest(
    lease: &Lease,
    configuration: Descriptor,
    layers: Vec<Descriptor>,
) -> Result<Descriptor, Error> {
    let manifest = ImageManifestBuilder::default()
        .schema_version(2u32)
        .media_type(MediaType::ImageManifest)
        .config(configuration)
        .layers(layers)
        .build()
        .map_err(|cause| Error::document("an image's manifest", cause))?;
    add_json(lease, MediaType::ImageManifest, &manifest)
}

fn add_json(lease: &Lease, kind: MediaType, document: &impl Serialize) -> Result<Descriptor, Error> {
    // By way of a value, whose maps are sorted: equal documents have equal digests.
    let value = serde_json::to_value(document).map_err(|cause| Error::document("a document", cause))?;
    let text = serde_json::to_vec(&value).map_err(|cause| Error::document("a document", cause))?;
    lease.add(&mut text.as_slice())?.describe(kind)
}
