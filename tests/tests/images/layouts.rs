//! Round trips with skopeo and umoci: what goes out and comes back is the same, byte for byte where the format allows.

use crate::fixture::{Ground, names, run, text};

/// The image `tiny`, and what skopeo and umoci make of it.
#[test]
fn an_oci_layout_comes_back_byte_for_byte() {
    let ground = Ground::new();
    ground.image(&["make", "tiny"]);
    let (archive, layout) = (ground.path("tiny.tar"), ground.path("layout"));
    ground.image(&["save", "-o", text(&archive), "tiny"]);
    let (from, to) = (format!("oci-archive:{}", text(&archive)), format!("oci:{}:latest", text(&layout)));
    run("skopeo", &["copy", "--preserve-digests", "--dest-oci-accept-uncompressed-layers", &from, &to]);
    assert_eq!(names(&layout.join("blobs/sha256")), ground.blobs());
    assert_eq!(run("umoci", &["ls", "--layout", text(&layout)]).trim(), "latest");
    let id = ground.id("tiny");
    ground.image(&["rm", "tiny"]);
    assert!(ground.blobs().is_empty());
    // A folder in place of an archive; the bare tag of its annotation is read as a name.
    let said = ground.image(&["load", "-i", text(&layout)]);
    assert!(said.contains("Loaded image"), "{said}");
    assert_eq!(names(&layout.join("blobs/sha256")), ground.blobs());
    ground.image(&["tag", &id, "tiny"]);
    let again = ground.path("again.tar");
    ground.image(&["save", "-o", text(&again), "tiny"]);
    assert!(std::fs::read(archive).unwrap() == std::fs::read(again).unwrap(), "the archives differ");
}

/// Docker's older form keeps the configuration, and so the image's id.
#[test]
fn dockers_archives_keep_the_id() {
    let ground = Ground::new();
    ground.image(&["make", "tiny"]);
    let (ours, theirs) = (ground.path("ours.tar"), ground.path("theirs.tar"));
    ground.image(&["save", "-o", text(&ours), "tiny"]);
    run(
        "skopeo",
        &[
            "copy",
            &format!("docker-archive:{}", text(&ours)),
            &format!("docker-archive:{}:who/app:1", text(&theirs)),
        ],
    );
    assert_eq!(ground.image(&["load", "-i", text(&theirs)]).trim(), "Loaded image: who/app:1");
    let (tiny, app) = (ground.inspect("tiny"), ground.inspect("who/app:1"));
    assert_eq!(tiny["RootFS"], app["RootFS"]);
    assert_eq!(tiny["Config"], app["Config"]);
    // What they have made of the configuration stays as it is from then on.
    ground.image(&["save", "-o", text(&ours), "who/app:1"]);
    let other = Ground::new();
    other.image(&["load", "-q", "-i", text(&ours)]);
    assert_eq!(other.id("who/app:1"), ground.id("who/app:1"));
}

#[test]
fn zstd_layers_and_dockers_manifests_are_loaded() {
    let ground = Ground::new();
    ground.image(&["make", "tiny"]);
    let archive = ground.path("tiny.tar");
    ground.image(&["save", "-o", text(&archive), "tiny"]);
    let from = format!("oci-archive:{}", text(&archive));
    for (name, options) in [
        ("zstd", ["--dest-compress-format", "zstd", "--dest-compress"].as_slice()),
        ("gzip", &["--dest-compress-format", "gzip", "--dest-compress"]),
    ] {
        let layout = ground.path(name);
        let to = format!("oci:{}:{name}:1", text(&layout));
        run("skopeo", &[["copy"].as_slice(), options, &[&from, &to]].concat());
        ground.image(&["load", "-i", text(&layout)]);
        assert_eq!(ground.inspect(&format!("{name}:1"))["RootFS"], ground.inspect("tiny")["RootFS"]);
    }
    assert_eq!(ground.image(&["verify"]).trim(), "the content store is whole");
}

#[test]
fn mistakes_get_a_sentence() {
    let ground = Ground::new();
    ground.image(&["make", "tiny"]);
    let rootfs = ground.path("rootfs.tar");
    ground.image(&["export", "-o", text(&rootfs), "tiny"]);
    for (arguments, hint) in [
        (["load", "-i", text(&rootfs)].as_slice(), "sandlot image import"),
        (&["load", "-i", "/no/such/file"], "/no/such/file"),
        (&["import", "/etc/passwd", "a"], "no tar archive"),
        (&["import", text(&rootfs), "Upper"], "lower case"),
        (&["inspect", "nothing"], "there is none"),
        (&["tag", "tiny", "a:b:c"], "a-z"),
        (&["rm", "nothing"], "there is none"),
    ] {
        let error = ground.refused(arguments);
        assert!(error.contains(hint) && !error.contains("panicked"), "{arguments:?}: {error}");
    }
    assert_eq!(ground.image(&["verify"]).trim(), "the content store is whole");
}

/// A gigabyte of zeros in a megabyte, onto a disk that has room for a tenth of it.
#[test]
fn what_grows_beyond_the_disk_is_refused_and_leaves_nothing() {
    let ground = Ground::new();
    let bomb = ground.path("bomb.tar.gz");
    let encoder =
        flate2::write::GzEncoder::new(std::fs::File::create(&bomb).unwrap(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(encoder);
    let mut header = tar::Header::new_gnu();
    header.set_size(1 << 30);
    header.set_mode(0o644);
    tar.append_data(&mut header, "zeros", std::io::Read::take(std::io::repeat(0), 1 << 30)).unwrap();
    tar.into_inner().unwrap().finish().unwrap();
    let state = ground.path("state");
    std::fs::create_dir(&state).unwrap();
    let import = ground.command(&["import", text(&bomb), "bomb"]);
    // The mount is gone with its namespace.
    let script = "mount -t tmpfs -o size=600m,mode=755 none $0 && \"$@\"; du -sk $0";
    let mut command = std::process::Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", script])
        .arg(&state)
        .arg(import.get_program())
        .args(import.get_args());
    let output = command.output().unwrap();
    let (said, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(error.contains("the node's disk is nearly full"), "{error}");
    let left: u64 = said.lines().last().unwrap().split_whitespace().next().unwrap().parse().unwrap();
    assert!(left < 1024, "{left} KiB are left");
}
