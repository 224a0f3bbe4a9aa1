//! The content store and imports, through their public functions. Needs neither root nor a network.
#![expect(clippy::unwrap_used, reason = "a test may panic, also in its fixtures")]

use std::fs::{self, File};
use std::io::{Read, Seek, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use sandlot_runtime::image::{Digest, Error, Image, Recipe, Scope, Store, Tar};
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

    fn import(&self, archive: &[u8], name: Option<&str>) -> Result<Image, Error> {
        let name = name.map(|name| name.parse().unwrap());
        self.store.import(&Scope::Node, file(archive), name.as_ref())
    }

    fn load(&self, archive: &[u8]) -> Result<Vec<String>, Error> {
        let images = self.store.load(&Scope::Node, file(archive))?;
        Ok(images.iter().map(shown).collect())
    }

    fn images(&self) -> Vec<String> {
        self.store.images(&Scope::Node).unwrap().iter().map(shown).collect()
    }

    fn image(&self, name: &str) -> Image {
        self.store.image(&Scope::Node, &name.parse().unwrap()).unwrap().unwrap()
    }

    fn layer(&self, name: &str, at: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.store.layer_tar(&self.image(name).layers[at]).unwrap() {
            Tar::File(mut tar) => tar.read_to_end(&mut bytes).unwrap(),
            Tar::Stream(mut tar) => tar.read_to_end(&mut bytes).unwrap(),
        };
        bytes
    }

    fn blobs(&self) -> usize {
        fs::read_dir(self.folder.path().join("content/blobs/sha256")).unwrap().count()
    }
}

fn shown(image: &Image) -> String {
    image.reference.as_ref().map_or_else(|| "<none>".to_owned(), ToString::to_string)
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
    Digest::of(bytes).hex().to_owned()
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
    fixture.import(&rootfs, Some("plain")).unwrap();
    fixture.import(&gzip(&rootfs), Some("zipped")).unwrap();
    assert_eq!(fixture.layer("plain", 0), rootfs);
    assert_eq!(fixture.image("plain").layers, fixture.image("zipped").layers);
    assert_eq!(fixture.image("plain").layers[0].diff_id.as_hex(), digest(&rootfs));
    assert_eq!(fixture.images(), ["plain:latest", "zipped:latest"]);
    fixture.import(&zstd::encode_all(rootfs.as_slice(), 1).unwrap(), Some("zipped")).unwrap();
    assert_eq!(fixture.layer("zipped", 0), rootfs);
    assert_eq!(fixture.images(), ["plain:latest", "zipped:latest"]);
    let unnamed = fixture.import(&tar(&[("other", b"")]), None).unwrap();
    assert_eq!(fixture.images(), ["<none>", "plain:latest", "zipped:latest"]);
    assert_eq!(fixture.store.find(&Scope::Node, unnamed.id.short()).unwrap().id, unnamed.id);
}

#[test]
fn an_oci_archive_keeps_its_digests() {
    let fixture = Fixture::new();
    let layer = tar(&[("file", b"content")]);
    for stored in [layer.clone(), gzip(&layer)] {
        let archive = oci_archive("app:1", &layer, &stored);
        assert_eq!(fixture.load(&archive).unwrap(), ["app:1"]);
        assert_eq!(fixture.layer("app:1", 0), layer);
        assert_eq!(fixture.image("app:1").layers[0].blob.hex(), digest(&stored));
    }
    // What the name stood for before has none any more, and goes when it is pruned.
    assert_eq!((fixture.blobs(), fixture.images().len()), (5, 2));
    let pruned = fixture.store.prune(&Scope::Node, false).unwrap();
    assert_eq!((pruned.images.len(), pruned.blobs.len(), fixture.blobs()), (1, 2, 3));
    assert_eq!(fixture.layer("app:1", 0), layer);
    assert_eq!(fixture.store.verify().unwrap(), []);
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
    fixture.load(&gzip(&archive)).unwrap();
    assert_eq!(fixture.layer("one:latest", 0), low);
    assert_eq!(fixture.layer("two", 1), high);
    assert_eq!(fixture.image("two").target, fixture.image("one:latest").target);
}

#[test]
fn an_archive_that_lies_changes_nothing() {
    let fixture = Fixture::new();
    let layer = tar(&[("file", b"content")]);
    let other = tar(&[("file", b"CONTENT")]);
    let wrong_layer = oci_archive("a", &layer, &gzip(&other));
    assert!(matches!(fixture.load(&wrong_layer), Err(Error::Digest { .. })));
    let good = oci_archive("a", &layer, &layer);
    let mut wrong_blob = good.clone();
    let at = wrong_blob.windows(7).position(|part| part == b"content").unwrap();
    wrong_blob[at] = b'C';
    assert!(matches!(fixture.load(&wrong_blob), Err(Error::Digest { .. })));
    assert!(fixture.load(&good[..good.len() / 2]).is_err());
    assert!(matches!(fixture.load(b""), Err(Error::NoImage)));
    assert!(matches!(fixture.load(&layer), Err(Error::NoImage)));
    for bad in [&[7; 4096][..], b"", &[0x28, 0xb5, 0x2f, 0xfd, 0], b"short"] {
        assert!(fixture.load(bad).is_err());
        assert!(fixture.import(bad, Some("a")).is_err());
    }
    assert!(fixture.images().is_empty());
    fixture.store.prune(&Scope::Node, false).unwrap();
    assert_eq!(fixture.blobs(), 0);
    assert_eq!(fs::read_dir(fixture.folder.path().join("content/incoming")).unwrap().count(), 0);
}

#[test]
fn a_removed_image_takes_only_its_own_blobs() {
    let fixture = Fixture::new();
    let rootfs = tar(&[("a", b"1")]);
    fixture.import(&rootfs, Some("one")).unwrap();
    fixture.import(&rootfs, Some("two")).unwrap();
    let remove = |text: &str| fixture.store.remove(&Scope::Node, text, false);
    assert!(matches!(remove(fixture.image("one").id.short()), Err(Error::SeveralNames { .. })));
    assert_eq!(remove("one").unwrap().deleted, []);
    assert!(matches!(remove("one"), Err(Error::UnknownImage(_))));
    assert_eq!(fixture.layer("two", 0), rootfs);
    let removed = remove("two").unwrap();
    assert_eq!((removed.deleted.len(), removed.layers.len(), fixture.blobs()), (3, 1, 0));
}

#[test]
fn what_a_dead_process_left_is_removed() {
    let fixture = Fixture::new();
    let left = ["incoming/1-0", "leases/1-0"].map(|name| fixture.folder.path().join("content").join(name));
    left.iter().for_each(|path| fs::write(path, "half").unwrap());
    Store::open(&fixture.folder.path().join("content")).unwrap();
    assert!(left.iter().all(|path| !path.exists()));
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
    assert_eq!(fixture.image("tiny").target, first.target);
    let layer = fixture.layer("tiny", 0);
    let mut archive = tar::Archive::new(layer.as_slice());
    let mut paths = archive.entries().unwrap().map(|e| e.unwrap().path().unwrap().display().to_string());
    assert!(paths.any(|path| path == "bin/sh"));
}

#[test]
#[ignore = "takes half a minute, root and Debian's archive: the tests with a node use its result"]
fn debian_is_made_with_progress() {
    let mut told = Vec::new();
    let mut tar = tempfile::tempfile().unwrap();
    Recipe::Debian
        .make(&mut tar, &mut |now| {
            println!("{} {}", now.percent, now.stage);
            told.push(now.percent);
        })
        .unwrap();
    assert!(told.len() > 20 && told.windows(2).all(|pair| pair[0] < pair[1]), "{told:?}");
    assert!(tar.metadata().unwrap().len() > 50 << 20);
    println!(
        "{}",
        digest(&fs::read(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&tar))).unwrap())
    );
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
        let loaded = fixture.load(&tar(&members));
        prop_assert!(loaded.is_err() || !changed || which == 3);
        prop_assert!(fixture.store.images(&Scope::Node).is_ok());
    }

    /// Any bytes at all.
    #[test]
    fn any_bytes_end_with_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let fixture = Fixture::new();
        drop(fixture.import(&bytes, Some("a")));
        drop(fixture.load(&bytes));
        prop_assert!(fixture.store.images(&Scope::Node).is_ok());
    }
}
