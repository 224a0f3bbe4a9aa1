//! What `docker save` wrote before it wrote OCI layouts: a list of images in `manifest.json`.

use oci_spec::image::{Descriptor, ImageConfiguration, MediaType};
use serde::Deserialize;

use super::Found;
use crate::image::archive::Archive;
use crate::image::compression::Compression;
use crate::image::{Error, Lease, assemble, document};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

/// Whether `manifest.json` is such a list; a root file system may have a file of that name.
pub(super) fn is_list(archive: &Archive) -> bool {
    archive.json::<Vec<Item>>("manifest.json").is_ok()
}

/// Loads every image. One may have several names.
pub(super) fn load(archive: &Archive, lease: &Lease) -> Result<Found, Error> {
    let items: Vec<Item> = archive.json("manifest.json")?;
    let mut found = Found::default();
    for item in &items {
        let target = load_image(archive, lease, item)?;
        let tags = item.repo_tags.as_deref().unwrap_or_default();
        for tag in tags {
            found.images.push((Some(tag.parse()?), target.clone()));
        }
        if tags.is_empty() {
            found.images.push((None, target));
        }
    }
    Ok(found)
}

fn load_image(archive: &Archive, lease: &Lease, item: &Item) -> Result<Descriptor, Error> {
    let text = archive.document(&item.config)?;
    // Only read, and stored as it is: its digest is the image's id.
    let _: ImageConfiguration = document::parse(&text, "an image's configuration")?;
    let layers =
        item.layers.as_deref().unwrap_or_default().iter().map(|name| load_layer(archive, lease, name));
    let layers = layers.collect::<Result<Vec<_>, _>>()?;
    let configuration = lease.add(&mut text.as_slice())?.describe(MediaType::ImageConfig)?;
    assemble::manifest(lease, configuration, layers)
}

fn load_layer(archive: &Archive, lease: &Lease, name: &str) -> Result<Descriptor, Error> {
    let blob = lease.add(&mut archive.member(name)?)?;
    let mut file = lease.store().open_blob(&blob.digest)?;
    blob.describe(match Compression::of_file(&mut file, "a layer")? {
        Compression::None => MediaType::ImageLayer,
        Compression::Gzip => MediaType::ImageLayerGzip,
        Compression::Zstd => MediaType::ImageLayerZstd,
        Compression::Bzip2 => return Err(Error::Compression { object: name.to_owned(), by: "bzip2" }),
        Compression::Xz => return Err(Error::Compression { object: name.to_owned(), by: "xz" }),
    })
}
