//! Media types of images: those of OCI (image spec, "media types") and Docker's older ones.

use oci_spec::image::{Descriptor, MediaType};

const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// Whether it is a list of manifests, one for each platform.
pub fn is_index(kind: &MediaType) -> bool {
    *kind == MediaType::ImageIndex || kind.as_ref() == DOCKER_LIST
}

/// Whether it is the manifest of one image or artifact.
pub fn is_manifest(kind: &MediaType) -> bool {
    *kind == MediaType::ImageManifest || kind.as_ref() == DOCKER_MANIFEST
}

/// Whether a descriptor names a document with descriptors in it.
pub(super) fn has_children(descriptor: &Descriptor) -> bool {
    is_index(descriptor.media_type()) || is_manifest(descriptor.media_type())
}
