//! Manifests and indexes: a document is understood in one way at most, and choosing from an index ends.

#![no_main]

use libfuzzer_sys::fuzz_target;
use oci_spec::image::MediaType;
use sandlot_runtime::image::{Manifest, Platform};

fuzz_target!(|bytes: &[u8]| {
    let kinds = [MediaType::ImageManifest, MediaType::ImageIndex];
    let read = kinds.map(|kind| Manifest::parse(bytes, &kind).ok());
    assert!(read.iter().flatten().count() <= 1);
    for manifest in read.into_iter().flatten() {
        std::hint::black_box((manifest.children().len(), manifest.subject().is_some()));
        if let Manifest::Index(index) = manifest {
            // That nothing fits is an answer.
            drop(Platform::host().choose(&index));
        }
    }
});
