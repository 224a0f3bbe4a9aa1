//! Disk drivers on the real kernel. Needs root, loop devices and mke2fs.
//!
//! A program of its own instead of the test harness: each test runs in a forked child with mounts of its own, and
//! forking is for single-threaded processes.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests, without the attribute that would say so"
)]

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount, umount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::statvfs::statvfs;
use nix::sys::wait::{WaitStatus, waitpid};
use sandlot_runtime::disk::{Attached, Driver, Error, Kind, Ready, Wish};
use sandlot_runtime::sys::clone::{Cloned, clone, exit_now};
use sandlot_runtime::tree;

const OWNER: u32 = 1_700_065_536;
const MEBIBYTE: u64 = 1 << 20;

type Test = (&'static str, fn());

const TESTS: &[Test] = &[
    ("auto_finds_a_driver_that_limits", auto_finds_a_driver_that_limits),
    ("an_image_is_limited_and_small", an_image_is_limited_and_small),
    ("an_image_survives_a_reboot", an_image_survives_a_reboot),
    ("many_attach_at_once", many_attach_at_once),
    ("a_tmpfs_is_limited", a_tmpfs_is_limited),
    ("plain_folders_are_told_to_be_unlimited", plain_folders_are_told_to_be_unlimited),
    ("a_nearly_full_node_is_told", a_nearly_full_node_is_told),
    ("project_quota_where_there_is_one", project_quota_where_there_is_one),
    ("a_disk_made_ahead_is_put_in_place_at_once", a_disk_made_ahead_is_put_in_place_at_once),
    ("creating_and_attaching_is_quick", creating_and_attaching_is_quick),
];

fn main() {
    assert!(nix::unistd::geteuid().is_root(), "these tests need root");
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    for (name, test) in TESTS {
        if wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())) {
            alone(*test);
            println!("test {name} ... ok");
        }
    }
}

/// Runs it in a child whose mounts go with it, and waits until its loop devices are gone too.
fn alone(test: fn()) {
    let before = loop_devices();
    match clone(CloneFlags::empty(), None).unwrap() {
        Cloned::Child => {
            unshare(CloneFlags::CLONE_NEWNS).unwrap();
            mount(None::<&str>, "/", None::<&str>, MsFlags::MS_PRIVATE | MsFlags::MS_REC, None::<&str>)
                .unwrap();
            let passed = std::panic::catch_unwind(test).is_ok();
            exit_now(i32::from(!passed));
        }
        Cloned::Parent(pid, _) => {
            assert_eq!(waitpid(pid, None).unwrap(), WaitStatus::Exited(pid, 0));
        }
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while loop_devices().iter().any(|file| !before.contains(file)) {
        assert!(Instant::now() < deadline, "loop devices left: {:?}", loop_devices());
        std::thread::yield_now();
    }
}

/// Files of this process's tests that loop devices stand for.
fn loop_devices() -> Vec<String> {
    let backing = |entry: fs::DirEntry| fs::read_to_string(entry.path().join("loop/backing_file")).ok();
    let mark = format!("sandlot-disk-{}", std::process::id());
    fs::read_dir("/sys/block")
        .unwrap()
        .filter_map(|e| backing(e.unwrap()))
        .filter(|f| f.contains(&mark))
        .collect()
}

struct Node {
    folder: PathBuf,
}

impl Node {
    fn new() -> Self {
        Self::at(&std::env::temp_dir())
    }

    fn at(place: &Path) -> Self {
        // The parent's id: it looks for what is left.
        let folder = place.join(format!("sandlot-disk-{}-{}", nix::unistd::getppid(), nix::unistd::getpid()));
        fs::create_dir(&folder).unwrap();
        Self { folder }
    }

    fn driver(&self, kind: Kind) -> Driver {
        Driver::probe(&self.folder, Wish::Only(kind)).unwrap()
    }

    fn instance(&self, name: &str) -> PathBuf {
        let folder = self.folder.join(name);
        fs::create_dir(&folder).unwrap();
        folder
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Mounts are in the way of removing what lies below them.
        for entry in fs::read_dir(&self.folder).unwrap() {
            while umount(&entry.as_ref().unwrap().path().join("disk")).is_ok() {}
        }
        let parent = File::open(self.folder.parent().unwrap()).unwrap();
        tree::remove(parent.as_fd(), self.folder.file_name().unwrap()).unwrap();
    }
}

/// Bytes that could be written before the disk was full.
fn fill(path: &Path) -> u64 {
    let mut file = File::create(path).unwrap();
    nix::unistd::chown(path, Some(OWNER.into()), Some(OWNER.into())).unwrap();
    let mut written = 0;
    while written < 100 * MEBIBYTE {
        match file.write_all(&[7; MEBIBYTE as usize]).and_then(|()| file.sync_data()) {
            Ok(()) => written += MEBIBYTE,
            Err(error) => {
                assert!(matches!(error.raw_os_error(), Some(28 | 122)), "{error}");
                return written;
            }
        }
    }
    written
}

fn check_owner(attached: &Attached) {
    for folder in [&attached.upper, &attached.work] {
        let metadata = fs::metadata(folder).unwrap();
        assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o7777), (OWNER, OWNER, 0o755));
    }
}

fn auto_finds_a_driver_that_limits() {
    let node = Node::new();
    let begun = Instant::now();
    let driver = Driver::probe(&node.folder, Wish::Auto).unwrap();
    println!("chose {} in {:?}; device below: {:?}", driver.name(), begun.elapsed(), driver.device());
    assert!(matches!(driver.kind(), Kind::Ext4Image | Kind::ProjectQuota), "{:?}", driver.degraded());
    assert_eq!(driver.degraded(), None);
    let left: Vec<_> = fs::read_dir(&node.folder).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name == "templates"), "{left:?}");
}

fn an_image_is_limited_and_small() {
    let node = Node::new();
    let driver = node.driver(Kind::Ext4Image);
    let folder = node.instance("0");
    driver.create(&folder, 32 * MEBIBYTE, OWNER).unwrap();
    driver.create(&folder, 32 * MEBIBYTE, OWNER).unwrap();
    let image = || fs::metadata(folder.join("disk.img")).unwrap();
    assert_eq!(image().len(), 32 * MEBIBYTE);
    assert!(image().blocks() * 512 < MEBIBYTE, "an empty image takes {} bytes", image().blocks() * 512);
    let attached = driver.attach(&folder).unwrap();
    check_owner(&attached);
    let size = statvfs(&attached.upper).unwrap();
    let bytes = size.blocks() * size.fragment_size();
    assert!(bytes > 28 * MEBIBYTE && bytes <= 32 * MEBIBYTE, "df says {bytes}");
    assert!(size.files() <= 2048 + 16, "{} files", size.files());
    let written = fill(&attached.upper.join("big"));
    assert!((25..32).contains(&(written / MEBIBYTE)), "{written}");
    let full = image().blocks();
    fs::remove_file(attached.upper.join("big")).unwrap();
    // What is deleted inside is given back, once the file system has written it down.
    let deadline = Instant::now() + Duration::from_secs(10);
    while image().blocks() > full / 2 {
        assert!(Instant::now() < deadline, "{} of {full} blocks are kept", image().blocks());
        nix::unistd::syncfs(File::open(&attached.upper).unwrap()).unwrap();
    }
}

fn an_image_survives_a_reboot() {
    let node = Node::new();
    let driver = node.driver(Kind::Ext4Image);
    let folder = node.instance("0");
    driver.create(&folder, 16 * MEBIBYTE, OWNER).unwrap();
    let first = driver.attach(&folder).unwrap();
    fs::write(first.upper.join("note"), "before").unwrap();
    // The last mount is still there: it must be the same file system, never a second one of the same image.
    let second = driver.attach(&folder).unwrap();
    assert_eq!(fs::read(second.upper.join("note")).unwrap(), b"before");
    assert_eq!(loop_devices_of(&folder), 1);
    let third_place =
        in_another_namespace(|| driver.attach(&folder).is_ok_and(|again| again.upper.join("note").exists()));
    assert!(third_place, "another worker sees the same file system");
    umount(&folder.join("disk")).unwrap();
    let third = driver.attach(&folder).unwrap();
    assert_eq!(fs::read(third.upper.join("note")).unwrap(), b"before");
    check_owner(&third);
    // Made by this driver, attached by another one after the operator changed his mind.
    umount(&folder.join("disk")).unwrap();
    let other = node.driver(Kind::None).attach(&folder).unwrap();
    assert_eq!(fs::read(other.upper.join("note")).unwrap(), b"before");
}

fn in_another_namespace(done: impl FnOnce() -> bool) -> bool {
    match clone(CloneFlags::CLONE_NEWNS, None).unwrap() {
        Cloned::Child => exit_now(i32::from(!done())),
        Cloned::Parent(pid, _) => waitpid(pid, None).unwrap() == WaitStatus::Exited(pid, 0),
    }
}

fn loop_devices_of(folder: &Path) -> usize {
    let mark = folder.display().to_string();
    let backing = |entry: fs::DirEntry| fs::read_to_string(entry.path().join("loop/backing_file")).ok();
    fs::read_dir("/sys/block")
        .unwrap()
        .filter_map(|e| backing(e.unwrap()))
        .filter(|f| f.contains(&mark))
        .count()
}

fn many_attach_at_once() {
    let node = Node::new();
    let driver = node.driver(Kind::Ext4Image);
    let folders: Vec<PathBuf> = (0..16).map(|number| node.instance(&number.to_string())).collect();
    let mut children = Vec::new();
    for folder in &folders {
        match clone(CloneFlags::CLONE_NEWNS, None).unwrap() {
            Cloned::Child => {
                let done = driver
                    .create(folder, 64 * MEBIBYTE, OWNER)
                    .and_then(|()| driver.attach(folder))
                    .is_ok_and(|attached| {
                        fs::write(attached.upper.join("f"), folder.display().to_string()).is_ok()
                    });
                exit_now(i32::from(!done));
            }
            Cloned::Parent(pid, _) => children.push(pid),
        }
    }
    for pid in children {
        assert_eq!(waitpid(pid, None).unwrap(), WaitStatus::Exited(pid, 0));
    }
    for folder in &folders {
        let attached = driver.attach(folder).unwrap();
        assert_eq!(fs::read_to_string(attached.upper.join("f")).unwrap(), folder.display().to_string());
    }
}

fn a_tmpfs_is_limited() {
    let node = Node::new();
    let driver = node.driver(Kind::Tmpfs);
    let folder = node.instance("0");
    driver.create(&folder, 8 * MEBIBYTE, OWNER).unwrap();
    let attached = driver.attach(&folder).unwrap();
    check_owner(&attached);
    assert!(fill(&attached.upper.join("big")) <= 8 * MEBIBYTE);
}

fn plain_folders_are_told_to_be_unlimited() {
    let node = Node::new();
    let driver = node.driver(Kind::None);
    assert!(driver.degraded().is_some());
    let folder = node.instance("0");
    driver.create(&folder, MEBIBYTE, OWNER).unwrap();
    check_owner(&driver.attach(&folder).unwrap());
    assert!("btrfs".parse::<Wish>().is_err());
    assert_eq!("auto".parse::<Wish>().unwrap(), Wish::Auto);
}

fn a_nearly_full_node_is_told() {
    let node = Node::new();
    let small = node.folder.join("disk");
    fs::create_dir(&small).unwrap();
    mount(Some("small"), &small, Some("tmpfs"), MsFlags::empty(), Some("size=64m")).unwrap();
    let error = Driver::probe(&small, Wish::Only(Kind::Ext4Image)).unwrap_err();
    assert!(matches!(error, Error::NearlyFull { .. }), "{error}");
    assert!(error.to_string().contains("nearly full"), "{error}");
    umount(&small).unwrap();
}

/// A file system with project quota is made in an image where mke2fs and the kernel can.
fn project_quota_where_there_is_one() {
    let node = Node::new();
    let image = node.folder.join("quota.img");
    let place = node.instance("mounted");
    fs::create_dir(place.join("disk")).unwrap();
    let made = std::process::Command::new("mke2fs")
        .args(["-q", "-F", "-t", "ext4", "-O", "project,quota", "-E", "quotatype=prjquota"])
        .arg(&image)
        .arg("1G")
        .status();
    let mounted = std::process::Command::new("mount")
        .args(["-o", "loop,prjquota"])
        .arg(&image)
        .arg(place.join("disk"))
        .status();
    if !made.is_ok_and(|status| status.success()) || !mounted.is_ok_and(|status| status.success()) {
        println!("this host makes no file system with project quota: nothing is tried");
        return;
    }
    let inner = Node::at(&place.join("disk"));
    let driver = Driver::probe(&inner.folder, Wish::Auto).unwrap();
    assert_eq!(
        driver.name(),
        "project-quota",
        "{:?}",
        Driver::probe(&inner.folder, Wish::Only(Kind::ProjectQuota))
    );
    let folder = inner.instance("3");
    driver.create(&folder, 16 * MEBIBYTE, OWNER).unwrap();
    let attached = driver.attach(&folder).unwrap();
    check_owner(&attached);
    let size = statvfs(&attached.upper).unwrap();
    assert_eq!(size.blocks() * size.fragment_size(), 16 * MEBIBYTE, "df shows the limit");
    driver.release(&folder).unwrap();
    driver.release(&folder).unwrap();
}

fn a_disk_made_ahead_is_put_in_place_at_once() {
    let node = Node::new();
    let driver = node.driver(Kind::Ext4Image);
    let ready: Vec<Ready> = (0..8)
        .map(|number| {
            driver.ready(16 * MEBIBYTE, number, driver.prepare(16 * MEBIBYTE, number).unwrap().unwrap())
        })
        .collect();
    assert_eq!(fs::read_dir(node.folder.join("ready")).unwrap().count(), 8);
    let mut times = Vec::new();
    let mut ready = ready.into_iter();
    driver.discard(ready.next().unwrap()).unwrap();
    for (number, disk) in ready.enumerate() {
        let folder = node.instance(&number.to_string());
        let begun = Instant::now();
        driver.take(&disk, &folder, OWNER).unwrap();
        let attached = driver.attach_ready(&disk, &folder, OWNER).unwrap();
        times.push(begun.elapsed());
        // The keeper's descriptor would hold the mount.
        drop(disk);
        check_owner(&attached);
        fs::write(attached.upper.join("note"), number.to_string()).unwrap();
        // After a reboot it is a disk like any other.
        umount(&folder.join("disk")).unwrap();
        let again = driver.attach(&folder).unwrap();
        assert_eq!(fs::read_to_string(again.upper.join("note")).unwrap(), number.to_string());
    }
    times.sort();
    println!("made ahead: {:?}", times[3]);
    assert_eq!(fs::read_dir(node.folder.join("ready")).unwrap().count(), 0);
    driver.remove_ready().unwrap();
    driver.remove_ready().unwrap();
    assert!(node.driver(Kind::None).prepare(MEBIBYTE, 1).unwrap().is_none());
}

fn creating_and_attaching_is_quick() {
    let node = Node::new();
    let driver = node.driver(Kind::Ext4Image);
    let mut times = Vec::new();
    for number in 0..30 {
        let folder = node.instance(&number.to_string());
        let begun = Instant::now();
        driver.create(&folder, 1024 * MEBIBYTE, OWNER).unwrap();
        let created = begun.elapsed();
        driver.attach(&folder).unwrap();
        times.push((begun.elapsed(), created));
    }
    // The first one makes the template.
    println!("first: {:?} (create and attach, create alone)", times[0]);
    times.sort();
    println!("median: {:?}, slowest: {:?}", times[15], times[29]);
    // Far above what any host takes: the budget is a matter of `make bench`.
    assert!(times[15].0 < Duration::from_secs(2), "{:?}", times[15]);
}
