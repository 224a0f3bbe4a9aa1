//! Unpacking good and hostile layers on the real kernel. Needs root.
//!
//! A program of its own instead of the test harness: unpacking forks, which only a single-threaded process may.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests, without the attribute that would say so"
)]

#[path = "root_unpack/archive.rs"]
mod archive;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use archive::Archive;
use nix::fcntl::{Flock, FlockArg};
use sandlot_runtime::container::userns;
use sandlot_runtime::image::{Recipe, unpack};
use sandlot_runtime::supervisor::name::DiffId;
use sandlot_runtime::sys::xattr;
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};
use tempfile::TempDir;

const BASE: u32 = 1_700_000_000;

type Test = (&'static str, fn());

const TESTS: &[Test] = &[
    ("tiny_unpacks_under_the_image_range", tiny_unpacks_under_the_image_range),
    ("nothing_leaves_the_tree", nothing_leaves_the_tree),
    ("links_inside_the_tree_are_followed_inside_it", links_inside_the_tree_are_followed_inside_it),
    ("whiteouts_take_the_form_of_overlay", whiteouts_take_the_form_of_overlay),
    ("capabilities_and_attributes_are_kept_or_dropped", capabilities_and_attributes_are_kept_or_dropped),
    ("later_entries_replace_earlier_ones", later_entries_replace_earlier_ones),
    ("times_holes_and_names_are_kept", times_holes_and_names_are_kept),
    ("many_entries_are_made", many_entries_are_made),
    ("a_refused_layer_leaves_nothing", a_refused_layer_leaves_nothing),
    ("interrupted_work_is_removed", interrupted_work_is_removed),
    ("damaged_archives_end_with_an_answer", damaged_archives_end_with_an_answer),
];

fn main() {
    assert!(nix::unistd::geteuid().is_root(), "these tests need root");
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    for (name, test) in TESTS {
        if wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())) {
            test();
            println!("test {name} ... ok");
        }
    }
}

struct Fixture {
    folder: TempDir,
    layers: OwnedFd,
    namespace: OwnedFd,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let layers = folder.path().join("layers");
        fs::create_dir(&layers).unwrap();
        // World-writable, so that only the unpacking process's confinement keeps it away.
        fs::create_dir(folder.path().join("outside")).unwrap();
        fs::set_permissions(folder.path().join("outside"), fs::Permissions::from_mode(0o777)).unwrap();
        fs::write(folder.path().join("outside/file"), "untouched").unwrap();
        fs::set_permissions(folder.path().join("outside/file"), fs::Permissions::from_mode(0o666)).unwrap();
        let layers = OwnedFd::from(File::open(layers).unwrap());
        Self { folder, layers, namespace: userns::create(BASE, 65_536).unwrap() }
    }

    fn unpack_as(&self, tar: &[u8], layer: &DiffId) -> Result<PathBuf, unpack::Error> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(tar).unwrap();
        file.rewind().unwrap();
        unpack::unpack(&unpack::Unpacking {
            tar: file.as_fd(),
            layers: self.layers.as_fd(),
            layer,
            namespace: self.namespace.as_fd(),
            image_base: BASE,
        })?;
        Ok(self.folder.path().join("layers").join(layer.as_hex()))
    }

    fn unpack(&self, tar: &[u8]) -> Result<PathBuf, unpack::Error> {
        self.unpack_as(tar, &diff_id(tar))
    }

    /// Whether all is as it was outside the layers, and the layers folder holds `trees` finished trees only.
    fn check(&self, trees: usize) {
        assert_eq!(fs::read(self.folder.path().join("outside/file")).unwrap(), b"untouched");
        assert_eq!(fs::metadata(self.folder.path().join("outside/file")).unwrap().nlink(), 1);
        assert_eq!(fs::read_dir(self.folder.path().join("outside")).unwrap().count(), 1);
        assert_eq!(fs::read_dir(self.folder.path()).unwrap().count(), 2);
        let names: Vec<_> = fs::read_dir(self.folder.path().join("layers"))
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(names.len(), trees, "{names:?}");
        assert!(names.iter().all(|name| name.len() == 64), "{names:?}");
    }
}

fn diff_id(tar: &[u8]) -> DiffId {
    let hex: String = Sha256::digest(tar).iter().map(|byte| format!("{byte:02x}")).collect();
    DiffId::try_from(hex).unwrap()
}

fn tiny_unpacks_under_the_image_range() {
    let fixture = Fixture::new();
    let mut tar = tempfile::tempfile().unwrap();
    Recipe::Tiny.make(&mut tar, &mut |_| {}).unwrap();
    let mut bytes = Vec::new();
    tar.rewind().unwrap();
    tar.read_to_end(&mut bytes).unwrap();
    let begun = std::time::Instant::now();
    let tree = fixture.unpack(&bytes).unwrap();
    println!("tiny unpacked in {:?}", begun.elapsed());
    let layer = diff_id(&bytes);
    assert!(unpack::is_unpacked(fixture.layers.as_fd(), &layer).unwrap());
    // Again, with a tar that would fail: it is not read any more.
    fixture.unpack_as(b"", &layer).unwrap();
    let owner = |path: &str| fs::symlink_metadata(tree.join(path)).unwrap().uid();
    assert_eq!((owner(""), owner("bin/busybox"), owner("home/learner")), (BASE, BASE, BASE + 1000));
    assert_eq!(fs::metadata(tree.join("tmp")).unwrap().mode() & 0o7777, 0o1777);
    assert_eq!(fs::read_link(tree.join("bin/sh")).unwrap(), PathBuf::from("/bin/busybox"));
    assert_eq!(owner("bin/sh"), BASE);
    assert_eq!(fs::metadata(tree.join("tmp")).unwrap().mtime(), 0);
    fixture.check(1);
    unpack::remove(fixture.layers.as_fd(), &layer).unwrap();
    unpack::remove(fixture.layers.as_fd(), &layer).unwrap();
    fixture.check(0);
}

fn nothing_leaves_the_tree() {
    let fixture = Fixture::new();
    let outside = fixture.folder.path().join("outside").display().to_string();
    let target = format!("{outside}/file");
    let up = "../../../../../../../../../../..";
    // Refused outright.
    for bad in [
        Archive::default().file("../../outside/file", "x"),
        Archive::default().file("a/../../b", "x"),
        Archive::default().hard_link("h", "../../outside/file"),
        Archive::default().hard_link("h", &target),
        Archive::default()
            .link("out", up)
            .file(&format!("out{target}"), "x")
            .hard_link("h", &format!("out{target}x")),
    ] {
        assert!(fixture.unpack(&bad.end()).is_err());
        fixture.check(0);
    }
    // Taken, but the tree is the whole world: what is made stays inside.
    let absolute = Archive::default().file(&target, "x").end();
    let tree = fixture.unpack(&absolute).unwrap();
    assert!(tree.join(target.trim_start_matches('/')).exists());
    let through_link = Archive::default().link("out", up).file(&format!("out/{outside}/new"), "x").end();
    let tree = fixture.unpack(&through_link).unwrap();
    assert!(tree.join(outside.trim_start_matches('/')).join("new").exists());
    let through_root =
        Archive::default().link("root", "/").folder("root/etc").file("root/etc/new", "x").end();
    let tree = fixture.unpack(&through_root).unwrap();
    assert!(tree.join("etc/new").exists() && !PathBuf::from("/etc/new").exists());
    // A file is never written through a link of its own name.
    let over_link = Archive::default().link("file", &target).file("file", "x").end();
    let tree = fixture.unpack(&over_link).unwrap();
    assert!(fs::symlink_metadata(tree.join("file")).unwrap().is_file());
    let folder_over_link = Archive::default().link("d", &outside).folder("d").file("d/new", "x").end();
    let tree = fixture.unpack(&folder_over_link).unwrap();
    assert!(fs::symlink_metadata(tree.join("d")).unwrap().is_dir());
    // Devices are left out, sockets and the like are not understood.
    let device = Archive::default().entry(EntryType::Block, "sda", "", b"").file("a", "x").end();
    let tree = fixture.unpack(&device).unwrap();
    assert!(!tree.join("sda").exists() && tree.join("a").exists());
    fixture.check(6);
}

fn links_inside_the_tree_are_followed_inside_it() {
    let fixture = Fixture::new();
    let archive =
        Archive::default().folder("usr").folder("usr/lib").link("lib", "usr/lib").file("lib/a", "1");
    let tree = fixture.unpack(&archive.hard_link("b", "lib/a").end()).unwrap();
    assert_eq!(fs::read(tree.join("usr/lib/a")).unwrap(), b"1");
    assert_eq!(fs::metadata(tree.join("b")).unwrap().nlink(), 2);
    let looped = Archive::default().link("a", "b").link("b", "a").file("a/c", "x").end();
    assert!(fixture.unpack(&looped).is_err());
    fixture.check(1);
}

fn whiteouts_take_the_form_of_overlay() {
    let fixture = Fixture::new();
    let archive = Archive::default()
        .file("d/.wh.gone", "")
        .file("d/kept", "new")
        .file("d/.wh.kept", "")
        .file("o/.wh..wh..opq", "")
        .file("o/new", "x")
        .file(".wh.again", "")
        .folder("again")
        .link("l", "o/deep")
        .folder("o/deep")
        .file("l/.wh..wh..opq", "")
        .file(".wh..wh.plnk", "")
        .end();
    let tree = fixture.unpack(&archive).unwrap();
    let gone = fs::symlink_metadata(tree.join("d/gone")).unwrap();
    assert!(gone.file_type().is_char_device());
    assert_eq!(gone.rdev(), 0);
    assert_eq!(fs::read(tree.join("d/kept")).unwrap(), b"new");
    for (folder, opaque) in [("o", true), ("again", true), ("o/deep", true), ("d", false)] {
        let mut value = [0; 4];
        let got =
            xattr::get(File::open(tree.join(folder)).unwrap().as_fd(), c"trusted.overlay.opaque", &mut value);
        assert_eq!(got.is_ok_and(|length| &value[..length] == b"y"), opaque, "{folder}");
    }
    assert!(
        !fs::read_dir(tree.join("o")).unwrap().any(|e| e
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with(".wh."))
    );
    fixture.check(1);
}

fn capabilities_and_attributes_are_kept_or_dropped() {
    let fixture = Fixture::new();
    // Version 2 of a file capability: CAP_NET_RAW, effective.
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let archive = Archive::default()
        .attribute("security.capability", &capability)
        .file("ping", "x")
        .attribute("user.note", b"kept")
        .file("note", "x")
        .attribute("user.overlay.redirect", b"/etc")
        .folder("redirected")
        .attribute("trusted.overlay.opaque", b"y")
        .folder("opaque")
        .end();
    let tree = fixture.unpack(&archive).unwrap();
    let read = |path: &str, name| {
        let mut value = [0; 64];
        let length = xattr::get(File::open(tree.join(path)).unwrap().as_fd(), name, &mut value).ok()?;
        Some(value[..length].to_vec())
    };
    let kept = read("ping", c"security.capability").unwrap();
    assert_eq!(kept[3], 3, "version 3 names the root it counts for");
    assert_eq!(kept[20..24], BASE.to_le_bytes());
    assert_eq!(read("note", c"user.note").unwrap(), b"kept");
    assert_eq!(read("redirected", c"user.overlay.redirect"), None);
    assert_eq!(read("opaque", c"trusted.overlay.opaque"), None);
    let mut set_id = Archive::default();
    set_id.raw(EntryType::Regular, "sudo", "", b"x", |header| {
        header.set_mode(0o4755);
        header.set_gid(27);
    });
    let tree = fixture.unpack(&set_id.end()).unwrap();
    let sudo = fs::metadata(tree.join("sudo")).unwrap();
    assert_eq!((sudo.mode() & 0o7777, sudo.gid(), sudo.mtime()), (0o4755, BASE + 27, 1_000_000_000));
    fixture.check(2);
}

fn later_entries_replace_earlier_ones() {
    let fixture = Fixture::new();
    let archive = Archive::default()
        .folder("a")
        .file("a/b/c/d", "deep")
        .file("a", "now a file")
        .file("f", "1")
        .file("f", "2")
        .file("g", "file")
        .folder("g")
        .end();
    let tree = fixture.unpack(&archive).unwrap();
    assert_eq!(fs::read(tree.join("a")).unwrap(), b"now a file");
    assert_eq!(fs::read(tree.join("f")).unwrap(), b"2");
    assert!(tree.join("g").is_dir());
    fixture.check(1);
}

/// GNU tar makes the archive, in all forms of its sparse files.
fn times_holes_and_names_are_kept() {
    let source = tempfile::tempdir().unwrap();
    let long = source.path().join("d".repeat(200)).join("e".repeat(200));
    fs::create_dir_all(&long).unwrap();
    fs::write(long.join("file"), "deep").unwrap();
    let odd = OsStr::from_bytes(b"\xff\n \\name");
    fs::write(source.path().join(odd), "odd").unwrap();
    let holes = File::create(source.path().join("holes")).unwrap();
    holes.write_all_at(b"in the middle", 5 << 20).unwrap();
    holes.set_len(10 << 20).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::new(1_600_000_000, 123_456_789);
    holes.set_modified(time).unwrap();
    symlink(&long, source.path().join("link")).unwrap();
    let fixture = Fixture::new();
    for version in ["0.0", "0.1", "1.0"] {
        let made = Command::new("tar")
            .args(["--format=posix", "--sparse", "--owner=0", "--group=0", "-c"])
            .arg(format!("--sparse-version={version}"))
            .args(["-C".as_ref(), source.path(), ".".as_ref()])
            .output();
        let tar = made.unwrap().stdout;
        assert!(tar.len() < 1 << 20);
        let tree = fixture.unpack(&tar).unwrap();
        let status = fs::metadata(tree.join("holes")).unwrap();
        assert_eq!(
            (status.mtime(), status.mtime_nsec(), status.len()),
            (1_600_000_000, 123_456_789, 10 << 20)
        );
        assert!(status.blocks() * 512 < 1 << 20, "{version}: the holes were filled");
        assert_eq!(fs::read(tree.join("holes")).unwrap(), fs::read(source.path().join("holes")).unwrap());
        assert_eq!(fs::read(tree.join(odd)).unwrap(), b"odd");
        assert_eq!(
            fs::read(tree.join(long.strip_prefix(source.path()).unwrap()).join("file")).unwrap(),
            b"deep"
        );
        assert_eq!(fs::read_link(tree.join("link")).unwrap(), long);
        unpack::remove(fixture.layers.as_fd(), &diff_id(&tar)).unwrap();
    }
    fixture.check(0);
}

fn many_entries_are_made() {
    let fixture = Fixture::new();
    let mut archive = Archive::default();
    for number in 0..30_000 {
        archive.raw(EntryType::Regular, &format!("f{number}"), "", b"", |_| {});
    }
    let tree = fixture.unpack(&archive.end()).unwrap();
    assert_eq!(fs::read_dir(tree).unwrap().count(), 30_000);
    fixture.check(1);
}

fn a_refused_layer_leaves_nothing() {
    let fixture = Fixture::new();
    let good = Archive::default().folder("d").file("d/f", &"x".repeat(5000)).end();
    let error = fixture.unpack_as(&good, &diff_id(b"other")).unwrap_err();
    assert!(matches!(error, unpack::Error::Digest { .. }), "{error}");
    assert!(fixture.unpack(&good[..2000]).is_err());
    let mut owner = Archive::default();
    owner.raw(EntryType::Regular, "f", "", b"", |header| header.set_uid(65_536));
    let error = fixture.unpack(&owner.end()).unwrap_err().to_string();
    assert!(error.contains("entry `f`: its owner 65536"), "{error}");
    let mut huge = Archive::default();
    huge.raw(EntryType::Regular, "f", "", b"", |header| header.set_size(1 << 33));
    assert!(fixture.unpack(&huge.end()).is_err());
    let long = Archive::default()
        .entry(EntryType::GNULongName, "././@LongLink", "", &[b'a'; 70_000])
        .file("f", "x")
        .end();
    assert!(fixture.unpack(&long).is_err());
    let mut sparse = Archive::default();
    sparse.raw(EntryType::GNUSparse, "f", "", b"", |header| {
        *header = Header::new_gnu();
        header.set_entry_type(EntryType::GNUSparse);
        header.set_path("f").unwrap();
        header.set_size(0);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        let gnu = header.as_gnu_mut().unwrap();
        gnu.set_real_size(1 << 43);
        gnu.sparse[0].set_offset(1 << 43);
        gnu.sparse[0].set_length(0);
    });
    let error = fixture.unpack(&sparse.end()).unwrap_err().to_string();
    assert!(error.contains("bytes of files") || error.contains("disk"), "{error}");
    fixture.check(0);
}

fn interrupted_work_is_removed() {
    let fixture = Fixture::new();
    let layers = fixture.folder.path().join("layers");
    fs::create_dir_all(layers.join(".unpack-1/deep/er")).unwrap();
    symlink(fixture.folder.path().join("outside"), layers.join(".unpack-1/link")).unwrap();
    fs::write(layers.join(".remove-1"), "x").unwrap();
    // Someone is still at work here.
    fs::create_dir(layers.join(".unpack-2")).unwrap();
    let lock = Flock::lock(File::open(layers.join(".unpack-2")).unwrap(), FlockArg::LockExclusive).unwrap();
    unpack::remove_unfinished(fixture.layers.as_fd()).unwrap();
    assert!(layers.join(".unpack-2").exists() && !layers.join(".unpack-1").exists());
    drop(lock);
    unpack::remove_unfinished(fixture.layers.as_fd()).unwrap();
    fixture.check(0);
}

/// The same damage in every run: a failure can be looked at.
fn damaged_archives_end_with_an_answer() {
    let fixture = Fixture::new();
    let target = fixture.folder.path().join("outside/file").display().to_string();
    let sound = Archive::default()
        .folder("d")
        .attribute("user.note", b"kept")
        .file("d/f", "content")
        .folder("outside")
        .link("d/l", "../../../outside")
        .hard_link("h", "d/f")
        .file("d/l/x", &target)
        .file("d/.wh.w", "")
        .end();
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..300 {
        let mut hurt = sound.clone();
        for _ in 0..=random(2) {
            let header = random(hurt.len() / 512) * 512;
            let field = [0, 100, 108, 124, 156, 157, 257, 345][random(8)] + random(8);
            hurt[(header + field).min(sound.len() - 1)] = random(256) as u8;
            if random(8) != 0 {
                // Makes the header's sum right again, else all damage ends there.
                let mut fixed = Header::from_byte_slice(&hurt[header..header + 512]).clone();
                fixed.set_cksum();
                hurt[header..header + 512].copy_from_slice(fixed.as_bytes());
            }
        }
        match fixture.unpack(&hurt) {
            Ok(_) => {
                taken += 1;
                unpack::remove(fixture.layers.as_fd(), &diff_id(&hurt)).unwrap();
            }
            Err(_) => refused += 1,
        }
        fixture.check(0);
    }
    println!("of 300 damaged archives {taken} were taken and {refused} refused");
    assert!(taken > 0 && refused > 0);
}
