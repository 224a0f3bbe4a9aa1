//! The tar of a root file system: an image of one layer.

use std::fs::File;

use oci_spec::image::{
    ConfigBuilder, Descriptor, ImageConfiguration, ImageConfigurationBuilder, ImageManifest,
    ImageManifestBuilder, MediaType, RootFsBuilder,
};
use serde::Serialize;

use super::super::ingest::{Blob, Ingest};
use super::super::{Error, Reference, layer};
use super::oci::architecture;
use super::{Named, verify};

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Imports an uncompressed tar.
pub(super) fn import(mut tar: File, ingest: &mut Ingest, reference: &Reference) -> Result<Named, Error> {
    let diff_id = layer::diff_id(&mut tar)?;
    let blob = ingest.add(&mut tar)?;
    let configuration = configuration(diff_id.to_string())?;
    let configured = add_json(ingest, &configuration)?;
    let layer = Descriptor::new(MediaType::ImageLayer, blob.size, blob.digest);
    let manifest = manifest(&configured, vec![layer])?;
    verify(ingest, &manifest, &configuration)?;
    let written = add_json(ingest, &manifest)?;
    Ok((reference.clone(), written.digest, written.size))
}

fn configuration(diff_id: String) -> Result<ImageConfiguration, Error> {
    let failed = |cause| Error::document("an image's configuration", cause);
    let root = RootFsBuilder::default().typ("layers".to_owned()).diff_ids(vec![diff_id]).build();
    let config = ConfigBuilder::default().env(vec![PATH.to_owned()]).cmd(vec!["/bin/sh".to_owned()]).build();
    ImageConfigurationBuilder::default()
        .architecture(architecture())
        .os("linux")
        .config(config.map_err(failed)?)
        .rootfs(root.map_err(failed)?)
        .build()
        .map_err(failed)
}

/// A manifest over blobs that are written already.
pub(super) fn manifest(configuration: &Blob, layers: Vec<Descriptor>) -> Result<ImageManifest, Error> {
    let configuration =
        Descriptor::new(MediaType::ImageConfig, configuration.size, configuration.digest.clone());
    ImageManifestBuilder::default()
        .schema_version(2u32)
        .media_type(MediaType::ImageManifest)
        .config(configuration)
        .layers(layers)
        .build()
        .map_err(|cause| Error::document("an image's manifest", cause))
}

/// Writes a document as a blob.
pub(super) fn add_json(ingest: &mut Ingest, document: &impl Serialize) -> Result<Blob, Error> {
    let text = serde_json::to_vec(document).map_err(|cause| Error::document("a document", cause))?;
    ingest.add(&mut text.as_slice())
}
