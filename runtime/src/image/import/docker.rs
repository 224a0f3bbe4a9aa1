//! What `docker save` wrote before it wrote OCI layouts: a list of images in `manifest.json`.

use oci_spec::image::{Descriptor, ImageConfiguration, MediaType, Sha256Digest};
use serde::Deserialize;

use super::super::archive::Archive;
use super::super::ingest::{Blob, Ingest};
use super::super::{Error, Reference};
use super::oci::document;
use super::{Named, choose_name, rootfs, verify};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// Whether `manifest.json` is such a list; a root file system may have a file of that name.
pub(super) fn is_list(archive: &Archive) -> bool {
    archive.json::<Vec<Item>>("manifest.json").is_ok()
}

/// Imports every named image. One image may have several names.
pub(super) fn import(
    archive: &Archive,
    ingest: &mut Ingest,
    reference: Option<&Reference>,
) -> Result<Vec<Named>, Error> {
    let items: Vec<Item> = archive.json("manifest.json")?;
    let mut images = Vec::new();
    for item in &items {
        let own = item.repo_tags.as_deref().unwrap_or_default();
        let mut names = Vec::new();
        match reference {
            Some(_) => names.extend(choose_name(reference, items.len(), None)?),
            None => {
                for tag in own {
                    names.extend(choose_name(None, items.len(), Some(tag))?);
                }
            }
        }
        if !names.is_empty() {
            let (digest, size) = import_image(archive, ingest, item)?;
            images.extend(names.into_iter().map(|name| (name, digest.clone(), size)));
        }
    }
    if images.is_empty() { Err(Error::NoReference) } else { Ok(images) }
}

fn import_image(archive: &Archive, ingest: &mut Ingest, item: &Item) -> Result<(Sha256Digest, u64), Error> {
    let text = document(archive, &item.config)?;
    let configuration: ImageConfiguration =
        serde_json::from_slice(&text).map_err(|cause| Error::document("an image's configuration", cause))?;
    let mut layers = Vec::new();
    for name in &item.layers {
        let blob = ingest.add(&mut archive.open(name)?)?;
        layers.push(Descriptor::new(layer_type(ingest, &blob)?, blob.size, blob.digest));
    }
    let configured = ingest.add(&mut text.as_slice())?;
    let manifest = rootfs::manifest(&configured, layers)?;
    verify(ingest, &manifest, &configuration)?;
    let written = rootfs::add_json(ingest, &manifest)?;
    Ok((written.digest, written.size))
}

fn layer_type(ingest: &Ingest, blob: &Blob) -> Result<MediaType, Error> {
    use super::super::archive::{Compression, compression};
    let mut file = ingest.open(&blob.digest)?;
    Ok(match compression(&mut file, "a layer")? {
        Compression::None => MediaType::ImageLayer,
        Compression::Gzip => MediaType::ImageLayerGzip,
    })
}
