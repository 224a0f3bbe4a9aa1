//! An OCI image layout in a tar archive (OCI image spec, "image layout").

use oci_spec::image::{Descriptor, ImageIndex};

use super::{Found, member, take};
use crate::image::archive::Archive;
use crate::image::document::Manifest;
use crate::image::names::NAME;
use crate::image::{Digest, Error, Lease, Reference, media};

/// How containerd writes the full name of an image.
const CONTAINERD_NAME: &str = "io.containerd.image.name";
/// Documents of one archive, at most.
const MAX_DOCUMENTS: usize = 10_000;

/// Loads everything that the layout's index leads to.
pub(super) fn load(archive: &Archive, lease: &Lease) -> Result<Found, Error> {
    let index: ImageIndex = archive.json("index.json")?;
    let mut found = Found::default();
    let mut documents = 0;
    for descriptor in index.manifests() {
        let subject = load_tree(archive, lease, descriptor, &mut documents)?;
        match subject {
            Some(subject) => found.about.push((subject, descriptor.clone())),
            None => found.images.push((name_of(descriptor)?, descriptor.clone())),
        }
    }
    Ok(found)
}

/// The full name where one is given, and else what stands in its place if it can be one: other tools write a bare tag.
fn name_of(descriptor: &Descriptor) -> Result<Option<Reference>, Error> {
    let note = |key| descriptor.annotations().as_ref()?.get(key);
    match (note(CONTAINERD_NAME), note(NAME)) {
        (Some(full), _) => full.parse().map(Some),
        (None, name) => Ok(name.and_then(|name| name.parse().ok())),
    }
}

/// Brings a manifest in with all that it needs. What an index names and the archive lacks was left out by its maker.
/// Returns what the top one is about.
fn load_tree(
    archive: &Archive,
    lease: &Lease,
    top: &Descriptor,
    documents: &mut usize,
) -> Result<Option<Digest>, Error> {
    let mut next = vec![(top.clone(), true)];
    let mut subject = None;
    while let Some((descriptor, needed)) = next.pop() {
        if !needed && !archive.has(&member(&descriptor)?) {
            continue;
        }
        take(archive, lease, &descriptor)?;
        if !media::has_children(&descriptor) {
            continue;
        }
        *documents += 1;
        if *documents > MAX_DOCUMENTS {
            return Err(Error::document("the archive", format!("more than {MAX_DOCUMENTS} manifests")));
        }
        let manifest = Manifest::parse(&archive.document(&member(&descriptor)?)?, descriptor.media_type())?;
        if descriptor == *top {
            subject = manifest.subject().map(Digest::promised).transpose()?;
        }
        let needed = matches!(manifest, Manifest::Image(_));
        next.extend(manifest.children().into_iter().map(|child| (child.clone(), needed)));
    }
    Ok(subject)
}
