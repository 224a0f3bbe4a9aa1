//! An OCI image layout in a tar archive.

use oci_spec::image::{Descriptor, ImageConfiguration, ImageIndex, ImageManifest, MediaType, Sha256Digest};

use super::super::archive::Archive;
use super::super::index::{NAME, read_document};
use super::super::ingest::Ingest;
use super::super::store::sha256_of;
use super::super::{Error, Reference};
use super::{Named, choose_name, verify};

/// How containerd writes the full name of an image.
const CONTAINERD_NAME: &str = "io.containerd.image.name";
/// Indexes inside indexes that are followed.
const MAX_DEPTH: usize = 3;

/// Imports every named image.
pub(super) fn import(
    archive: &Archive,
    ingest: &mut Ingest,
    reference: Option<&Reference>,
) -> Result<Vec<Named>, Error> {
    let index: ImageIndex = archive.json("index.json")?;
    let mut images = Vec::new();
    for descriptor in index.manifests() {
        let annotations = descriptor.annotations().as_ref();
        let own = [NAME, CONTAINERD_NAME].iter().find_map(|key| annotations?.get(*key));
        let name = choose_name(reference, index.manifests().len(), own.map(String::as_str))?;
        if let Some(name) = name {
            let (digest, size) = import_image(archive, ingest, descriptor)?;
            images.push((name, digest, size));
        }
    }
    if images.is_empty() { Err(Error::NoReference) } else { Ok(images) }
}

fn import_image(
    archive: &Archive,
    ingest: &mut Ingest,
    descriptor: &Descriptor,
) -> Result<(Sha256Digest, u64), Error> {
    let descriptor = manifest_for_this_host(archive, descriptor.clone(), MAX_DEPTH)?;
    let manifest: ImageManifest = archive.json(&member(&descriptor)?)?;
    let configuration: ImageConfiguration = archive.json(&member(manifest.config())?)?;
    for blob in manifest.layers().iter().chain([manifest.config(), &descriptor]) {
        copy_blob(archive, ingest, blob)?;
    }
    verify(ingest, &manifest, &configuration)?;
    Ok((sha256_of(&descriptor)?, descriptor.size()))
}

/// An index stands for one manifest per platform.
fn manifest_for_this_host(
    archive: &Archive,
    descriptor: Descriptor,
    depth: usize,
) -> Result<Descriptor, Error> {
    if !is_index(&descriptor) {
        return Ok(descriptor);
    }
    let index: ImageIndex = archive.json(&member(&descriptor)?)?;
    let fits = |candidate: &&Descriptor| match candidate.platform() {
        Some(platform) => platform.architecture().to_string() == architecture(),
        None => true,
    };
    let chosen = index.manifests().iter().find(fits).cloned();
    match (chosen, depth.checked_sub(1)) {
        (Some(chosen), Some(depth)) => manifest_for_this_host(archive, chosen, depth),
        _ => Err(Error::document("the archive", format!("it has no image for {}", architecture()))),
    }
}

fn is_index(descriptor: &Descriptor) -> bool {
    let docker = "application/vnd.docker.distribution.manifest.list.v2+json";
    *descriptor.media_type() == MediaType::ImageIndex || descriptor.media_type().as_ref() == docker
}

fn copy_blob(archive: &Archive, ingest: &mut Ingest, blob: &Descriptor) -> Result<(), Error> {
    let expected = sha256_of(blob)?;
    let found = ingest.add(&mut archive.open(&member(blob)?)?)?;
    if found.digest == expected {
        return Ok(());
    }
    let (expected, found) = (expected.digest().to_owned(), found.digest.digest().to_owned());
    Err(Error::Digest { object: "a blob of the archive".to_owned(), expected, found })
}

fn member(descriptor: &Descriptor) -> Result<String, Error> {
    Ok(format!("blobs/sha256/{}", sha256_of(descriptor)?.digest()))
}

/// This host's processor by the name that images use.
pub(super) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Reads a member whole, bounded as a document.
pub(super) fn document(archive: &Archive, name: &str) -> Result<Vec<u8>, Error> {
    read_document(archive.open(name)?, name)
}
