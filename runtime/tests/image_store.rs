//! The content store and imports, through their public functions. Needs neither root nor a network.
#![expect(clippy::unwrap_used, reason = "a test may panic, also in its fixtures")]

use std::fs::{self, File};
use std::io::{Read, Seek, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use sandlot_runtime::image::{Error, Image, Recipe, Reference, Store};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

struct Fixture {
    folder: TempDir,
    store: Store,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("content")).unwrap();
        Self { folder, store }
    }

    fn import(&self, archive: &[u8], name: Option<&str>) -> Result<Vec<Reference>, Error> {
        let name = name.map(|name| name.parse().unwrap());
        self.store.import(file(archive), name.as_ref())
    }

    fn image(&self, name: &str) -> Image {
        self.store.image(&name.parse().unwrap()).unwrap().unwrap()
    }

    fn layer(&self, name: &str, at: usize) -> Vec<u8> {
        let image = self.image(name);
        let mut bytes = Vec::new();
        let mut tar = self.store.layer_tar(&image.reference, &image.layers[at].diff_id).unwrap();
        tar.read_to_end(&mut bytes).unwrap();
        bytes
    }

    fn blobs(&self) -> usize {
        fs::read_dir(self.folder.path().join("content/blobs/sha256")).unwrap().count()
    }
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = GzEncoder::new(Vec::new(), Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, *content).unwrap();
    }
    tar.into_inner().unwrap()
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn configuration(layers: &[&[u8]]) -> Vec<u8> {
    let ids: Vec<String> = layers.iter().map(|layer| format!("\"sha256:{}\"", digest(layer))).collect();
    let ids = ids.join(",");
    format!(r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":[{ids}]}}}}"#)
        .into_bytes()
}

fn descriptor(kind: &str, bytes: &[u8], more: &str) -> String {
    let (size, digest) = (bytes.len(), digest(bytes));
    format!(
        r#"{{"mediaType":"application/vnd.oci.image.{kind}","size":{size},"digest":"sha256:{digest}"{more}}}"#
    )
}

/// An OCI archive of one image with one layer; `stored` is the layer as it stands in the archive.
fn oci_archive(name: &str, layer: &[u8], stored: &[u8]) -> Vec<u8> {
    let configuration = configuration(&[layer]);
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{},"layers":[{}]}}"#,
        descriptor("config.v1+json", &configuration, ""),
        descriptor("layer.v1.tar+gzip", stored, "")
    );
    let annotation = format!(r#","annotations":{{"org.opencontainers.image.ref.name":"{name}"}}"#);
    let named = descriptor("manifest.v1+json", manifest.as_bytes(), &annotation);
    let index = format!(r#"{{"schemaVersion":2,"manifests":[{named}]}}"#);
    let blob = |bytes: &[u8]| format!("blobs/sha256/{}", digest(bytes));
    tar(&[
        ("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#),
        (&blob(stored), stored),
        (&blob(&configuration), &configuration),
        (&blob(manifest.as_bytes()), manifest.as_bytes()),
        ("index.json", index.as_bytes()),
    ])
}

#[test]
fn a_root_file_system_becomes_an_image() {
    let fixture = Fixture::new();
    let rootfs = tar(&[("./bin/sh", b"#!"), ("./etc/passwd", b"root:x:0:0::/:/bin/sh\n")]);
    assert!(matches!(fixture.import(&rootfs, None), Err(Error::NoReference)));
    fixture.import(&rootfs, Some("plain")).unwrap();
    fixture.import(&gzip(&rootfs), Some("zipped")).unwrap();
    assert_eq!(fixture.layer("plain", 0), rootfs);
    assert_eq!(fixture.image("plain").layers, fixture.image("zipped").layers);
    assert_eq!(fixture.image("plain").layers[0].diff_id.as_hex(), digest(&rootfs));
    let names: Vec<String> =
        fixture.store.images().unwrap().iter().map(|i| i.reference.to_string()).collect();
    assert_eq!(names, ["plain", "zipped"]);
}

#[test]
fn an_oci_archive_keeps_its_digests() {
    let fixture = Fixture::new();
    let layer = tar(&[("file", b"content")]);
    for stored in [layer.clone(), gzip(&layer)] {
        let archive = oci_archive("app:1", &layer, &stored);
        assert_eq!(fixture.import(&archive, None).unwrap(), ["app:1".parse().unwrap()]);
        assert_eq!(fixture.layer("app:1", 0), layer);
        assert_eq!(fixture.image("app:1").layers[0].blob.digest(), digest(&stored));
        // What the name stood for before is gone: manifest, configuration and layer stay.
        assert_eq!(fixture.blobs(), 3);
    }
    fixture.import(&oci_archive("app:1", &layer, &layer), Some("other")).unwrap();
    assert_eq!(fixture.layer("other", 0), layer);
}

#[test]
fn a_docker_archive_becomes_an_image_under_each_of_its_names() {
    let fixture = Fixture::new();
    let (low, high) = (tar(&[("a", b"1")]), tar(&[("b", b"2")]));
    let configuration = configuration(&[&low, &high]);
    let list =
        br#"[{"Config":"c.json","RepoTags":["one:latest","two"],"Layers":["x/layer.tar","y/layer.tar"]}]"#;
    let archive = tar(&[
        ("x/layer.tar", &low),
        ("y/layer.tar", &high),
        ("c.json", &configuration),
        ("manifest.json", list),
    ]);
    fixture.import(&gzip(&archive), None).unwrap();
    assert_eq!(fixture.layer("one:latest", 0), low);
    assert_eq!(fixture.layer("two", 1), high);
    assert_eq!(fixture.image("two").digest, fixture.image("one:latest").digest);
}

#[test]
fn an_archive_that_lies_changes_nothing() {
    let fixture = Fixture::new();
    let layer = tar(&[("file", b"content")]);
    let other = tar(&[("file", b"CONTENT")]);
    let wrong_layer = oci_archive("a", &layer, &gzip(&other));
    assert!(matches!(fixture.import(&wrong_layer, None), Err(Error::Digest { .. })));
    let good = oci_archive("a", &layer, &layer);
    let mut wrong_blob = good.clone();
    let at = wrong_blob.windows(7).position(|part| part == b"content").unwrap();
    wrong_blob[at] = b'C';
    assert!(matches!(fixture.import(&wrong_blob, None), Err(Error::Digest { .. })));
    assert!(fixture.import(&good[..good.len() / 2], None).is_err());
    assert!(matches!(fixture.import(b"", Some("a")), Err(Error::NoImage)));
    assert!(fixture.import(&[7; 4096], Some("a")).is_err());
    assert!(fixture.import(&[0x28, 0xb5, 0x2f, 0xfd, 0], Some("a")).is_err());
    assert_eq!(fixture.store.images().unwrap().len(), 0);
    assert_eq!(fixture.blobs(), 0);
    assert_eq!(fs::read_dir(fixture.folder.path().join("content/ingest")).unwrap().count(), 0);
}

#[test]
fn a_removed_image_takes_only_its_own_blobs() {
    let fixture = Fixture::new();
    let rootfs = tar(&[("a", b"1")]);
    fixture.import(&rootfs, Some("one")).unwrap();
    fixture.import(&rootfs, Some("two")).unwrap();
    assert!(fixture.store.remove(&"one".parse().unwrap()).unwrap());
    assert!(!fixture.store.remove(&"one".parse().unwrap()).unwrap());
    assert_eq!(fixture.layer("two", 0), rootfs);
    fixture.store.remove(&"two".parse().unwrap()).unwrap();
    assert_eq!(fixture.blobs(), 0);
}

#[test]
fn what_a_dead_import_left_is_removed() {
    let fixture = Fixture::new();
    let left = fixture.folder.path().join("content/ingest/1-0");
    fs::create_dir(&left).unwrap();
    fs::write(left.join("incoming"), "half").unwrap();
    Store::open(&fixture.folder.path().join("content")).unwrap();
    assert!(!left.exists());
}

#[test]
fn tiny_is_made_in_a_moment_and_always_the_same() {
    let fixture = Fixture::new();
    let begun = std::time::Instant::now();
    let mut told = Vec::new();
    Recipe::Tiny.make_in(&fixture.store, &mut |now| told.push(now.percent)).unwrap();
    assert!(begun.elapsed().as_millis() < 1000, "{:?}", begun.elapsed());
    assert_eq!(told.last(), Some(&100));
    let first = fixture.image("tiny");
    assert!(first.size_bytes() < 4 << 20);
    Recipe::Tiny.make_in(&fixture.store, &mut |_| {}).unwrap();
    assert_eq!(fixture.image("tiny").digest, first.digest);
    let layer = fixture.layer("tiny", 0);
    let mut archive = tar::Archive::new(layer.as_slice());
    let mut paths = archive.entries().unwrap().map(|e| e.unwrap().path().unwrap().display().to_string());
    assert!(paths.any(|path| path == "bin/sh"));
}

#[test]
#[ignore = "takes half a minute, root and Debian's archive: the tests with a node use its result"]
fn workbench_is_made_with_progress() {
    let mut told = Vec::new();
    let mut tar = tempfile::tempfile().unwrap();
    Recipe::Workbench
        .make(&mut tar, &mut |now| {
            println!("{} {}", now.percent, now.stage);
            told.push(now.percent);
        })
        .unwrap();
    assert!(told.len() > 20 && told.windows(2).all(|pair| pair[0] < pair[1]), "{told:?}");
    assert!(tar.metadata().unwrap().len() > 100 << 20);
    println!(
        "{}",
        digest(&fs::read(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&tar))).unwrap())
    );
}

#[test]
fn image_names_are_checked() {
    for bad in ["", "-a", "a b", "a\n", "é", &"a".repeat(256)] {
        assert!(bad.parse::<Reference>().is_err(), "{bad}");
    }
    for good in ["tiny", "debian:12", "docker.io/library/debian:12-slim", "a@sha256:0"] {
        assert!(good.parse::<Reference>().is_ok(), "{good}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever a member of the archive holds, an import ends with an answer and leaves a sound store.
    #[test]
    fn foreign_documents_never_break_the_store(
        which in 0..4usize,
        cut in 0..400usize,
        noise in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let fixture = Fixture::new();
        let layer = tar(&[("file", b"content")]);
        let archive = oci_archive("a", &layer, &gzip(&layer));
        let mut members = Vec::new();
        for entry in tar::Archive::new(archive.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            members.push((entry.path().unwrap().display().to_string(), content));
        }
        let hurt = &mut members[which + 1].1;
        let at = cut.min(hurt.len());
        let end = (at + noise.len()).min(hurt.len());
        let changed = hurt[at..end] != noise[..];
        hurt.splice(at..end, noise);
        let members: Vec<(&str, &[u8])> = members.iter().map(|(n, c)| (n.as_str(), c.as_slice())).collect();
        let imported = fixture.import(&tar(&members), None);
        prop_assert!(imported.is_err() || !changed || which == 3);
        prop_assert!(fixture.store.images().is_ok());
    }

    /// Any bytes at all.
    #[test]
    fn any_bytes_end_with_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let fixture = Fixture::new();
        drop(fixture.import(&bytes, Some("a")));
        prop_assert!(fixture.store.images().is_ok());
    }
}
