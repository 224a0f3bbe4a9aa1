//! Writing images into one archive that both kinds of reader understand, as `docker save` does since version 25.
//!
//! ```text
//! oci-layout  index.json          for readers of OCI layouts
//! manifest.json  repositories     for readers of Docker's older form
//! blobs/<algorithm>/<digest>      for both; each once, byte for byte as it came
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};

use oci_spec::image::{Descriptor, ImageIndexBuilder, MediaType};
use serde::Serialize;
use tar::{Builder, EntryType, Header};

use super::document::Manifest;
use super::names::NAME;
use super::{Digest, Error, Image, Store};

const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// An image in Docker's list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

impl Store {
    /// Writes images with everything that they need. Equal images give equal archives.
    ///
    /// # Errors
    /// When a blob is missing, or `out` cannot be written.
    pub fn save(&self, images: &[Image], out: &mut dyn Write) -> Result<(), Error> {
        let mut blobs = BTreeSet::new();
        let mut entries = Vec::new();
        for image in images {
            let top = self.saved_target(image)?;
            self.collect_blobs(&top, &mut blobs)?;
            entries.push(named(image, top));
        }
        let mut tar = Builder::new(out);
        write(&mut tar, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        write(&mut tar, "index.json", &index(entries)?)?;
        write(&mut tar, "manifest.json", &json(&docker_list(images)?)?)?;
        write(&mut tar, "repositories", &json(&repositories(images))?)?;
        for folder in ["blobs", "blobs/sha256", "blobs/sha512"] {
            if folder.split('/').nth(1).is_none_or(|name| blobs.iter().any(|b| b.algorithm().name() == name))
            {
                append(&mut tar, folder, EntryType::Directory, 0, &mut io::empty())?;
            }
        }
        for digest in &blobs {
            let mut content = self.open_blob(digest)?;
            let size = content.metadata().map_err(Error::io("look at", digest.to_string()))?.len();
            append(&mut tar, &member(digest), EntryType::Regular, size, &mut content)?;
        }
        tar.into_inner().and_then(|out| out.flush()).map_err(Error::io("write", "the archive"))
    }

    /// The index that the name stands for if all of it is here, and the chosen manifest otherwise.
    ///
    /// # Errors
    /// When it is missing.
    pub fn saved_target(&self, image: &Image) -> Result<Descriptor, Error> {
        let complete = match self.manifest(&image.target)? {
            Manifest::Image(_) => true,
            Manifest::Index(index) => {
                index.manifests().iter().all(|m| Digest::promised(m).is_ok_and(|digest| self.has(&digest)))
            }
        };
        Ok(if complete { image.target.clone() } else { image.manifest.clone() })
    }

    fn collect_blobs(&self, top: &Descriptor, blobs: &mut BTreeSet<Digest>) -> Result<(), Error> {
        let mut next = vec![top.clone()];
        while let Some(descriptor) = next.pop() {
            let new = blobs.insert(Digest::promised(&descriptor)?);
            if new && super::media::has_children(&descriptor) {
                next.extend(self.manifest(&descriptor)?.children().into_iter().cloned());
            }
        }
        Ok(())
    }
}

fn named(image: &Image, mut top: Descriptor) -> Descriptor {
    let mut annotations = top.annotations().clone().unwrap_or_default();
    if let Some(name) = &image.reference {
        annotations.insert(CONTAINERD_NAME.to_owned(), name.canonical());
        // What other tools look for there is the tag alone.
        annotations.extend(name.tag().map(|tag| (NAME.to_owned(), tag.to_owned())));
    }
    top.set_annotations((!annotations.is_empty()).then_some(annotations));
    top
}

fn index(entries: Vec<Descriptor>) -> Result<Vec<u8>, Error> {
    let index = ImageIndexBuilder::default()
        .schema_version(2u32)
        .media_type(MediaType::ImageIndex)
        .manifests(entries)
        .build()
        .map_err(|cause| Error::document("an index", cause))?;
    json(&index)
}

/// One item for each image, with all its names.
fn docker_list(images: &[Image]) -> Result<Vec<Item>, Error> {
    let mut items: Vec<(Digest, Item)> = Vec::new();
    for image in images {
        let name = image.reference.as_ref().filter(|name| name.tag().is_some()).map(ToString::to_string);
        if let Some((_, item)) = items.iter_mut().find(|(id, _)| *id == image.id) {
            item.repo_tags.get_or_insert_default().extend(name);
            continue;
        }
        let layers = image.layers.iter().map(|layer| member(&layer.blob)).collect();
        let item = Item { config: member(&image.id), repo_tags: name.map(|name| vec![name]), layers };
        items.push((image.id.clone(), item));
    }
    Ok(items.into_iter().map(|(_, item)| item).collect())
}

/// Name, tag, topmost layer.
fn repositories(images: &[Image]) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut repositories: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for image in images {
        let (Some(name), Some(top)) = (&image.reference, image.layers.last()) else { continue };
        if let Some(tag) = name.tag() {
            let tags = repositories.entry(name.familiar_name()).or_default();
            tags.insert(tag.to_owned(), top.blob.hex().to_owned());
        }
    }
    repositories
}

fn member(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

/// By way of a value, whose maps are sorted.
fn json(document: &impl Serialize) -> Result<Vec<u8>, Error> {
    let value = serde_json::to_value(document).map_err(|cause| Error::document("an index", cause))?;
    serde_json::to_vec(&value).map_err(|cause| Error::document("an index", cause))
}

fn write(tar: &mut Builder<&mut dyn Write>, name: &str, content: &[u8]) -> Result<(), Error> {
    append(tar, name, EntryType::Regular, content.len() as u64, &mut &*content)
}

fn append(
    tar: &mut Builder<&mut dyn Write>,
    name: &str,
    kind: EntryType,
    size: u64,
    content: &mut dyn Read,
) -> Result<(), Error> {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(if kind == EntryType::Directory { 0o755 } else { 0o644 });
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    tar.append_data(&mut header, name, content).map_err(Error::io("write", "the archive"))
}
