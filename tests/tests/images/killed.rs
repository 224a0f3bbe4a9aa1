//! `kill -9` at any moment of work on the store: afterwards it is whole, and the same work done again succeeds.

use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandlot_runtime::image::Digest;
use sandlot_tests::api::Api;
use sandlot_tests::node::{Options, TestNode};
use sandlot_tests::registry::DockerRegistry;
use sandlot_tests::wait::{self, PATIENCE};

use crate::fixture::{Ground, names, run, said, text};

/// Moments of each kind of work at which it is killed, unless `SANDLOT_KILLS` says how many.
const MOMENTS: u32 = 12;

fn moments() -> u32 {
    std::env::var("SANDLOT_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(MOMENTS)
}

/// Runs the work again and again, each time killed a little later, up to its own length. The first part of that is the
/// start of the program; moments are spread over all of it.
#[expect(clippy::disallowed_methods, reason = "a test's own process")]
fn kill_at_every_moment(ground: &Ground, work: &[&str], undo: &[&str]) {
    let begun = Instant::now();
    ground.image(work);
    let length = begun.elapsed();
    let moments = moments();
    for moment in 1..=moments {
        ground.command(undo).output().unwrap();
        let mut child = ground.command(work).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(length * moment / moments);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(ground.image(&["verify"]).trim(), "the content store is whole", "{work:?} at {moment}");
    }
    ground.command(undo).output().unwrap();
    ground.image(work);
    assert_eq!(ground.image(&["verify"]).trim(), "the content store is whole");
    assert!(length < Duration::from_secs(60), "{work:?} takes {length:?}");
}

/// A tar of some size that compresses badly.
fn make_rootfs(ground: &Ground) -> String {
    let path = ground.path("rootfs.tar");
    let mut tar = tar::Builder::new(std::fs::File::create(&path).unwrap());
    let mut state = 1u64;
    for number in 0..48 {
        let content: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u8
        })
        .take(1 << 20)
        .collect();
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("file{number}"), content.as_slice()).unwrap();
    }
    tar.finish().unwrap();
    text(&path).to_owned()
}

#[test]
fn import_load_and_removal_may_die_at_any_moment() {
    let ground = Ground::new();
    let rootfs = make_rootfs(&ground);
    kill_at_every_moment(&ground, &["import", &rootfs, "big"], &["rm", "big"]);
    let archive = ground.path("big.tar");
    ground.image(&["save", "-o", text(&archive), "big"]);
    kill_at_every_moment(&ground, &["load", "-i", text(&archive)], &["rm", "big"]);
    kill_at_every_moment(&ground, &["rm", "-f", "big"], &["load", "-i", text(&archive)]);
    ground.image(&["prune", "-f"]);
    assert!(ground.blobs().is_empty(), "{:?}", ground.blobs());
}

#[test]
fn pull_and_prune_may_die_at_any_moment() {
    let registry = DockerRegistry::plain();
    let (ground, other) = (Ground::new(), Ground::new());
    let name = registry.name("big:1").to_string();
    ground.image(&["import", &make_rootfs(&ground), &name]);
    ground.image(&["push", &name]);
    let archive = other.path("big.tar");
    ground.image(&["save", "-o", text(&archive), &name]);
    kill_at_every_moment(&other, &["pull", "-q", &name], &["rm", &name]);
    // Without a name it is what prune removes.
    other.image(&["import", &make_rootfs(&other), "first"]);
    other.image(&["tag", &name, "first"]);
    kill_at_every_moment(&other, &["prune", "-f"], &["load", "-i", text(&archive)]);
}

#[test]
fn a_build_may_die_at_any_moment() {
    let ground = Ground::new();
    ground.image(&["make", "tiny"]);
    ground.write(
        "Dockerfile",
        "FROM tiny\nCOPY big /\nRUN cat /big /big > /two && sleep 0.1\nRUN sha256sum /two > /sum\n",
    );
    let big = "content ".repeat(2 << 20);
    ground.write("big", &big);
    let context = ground.path("context");
    kill_at_every_moment(
        &ground,
        &["build", "-q", "--no-cache", "-t", "app", text(&context)],
        &["rm", "app"],
    );
    // What killed builds left to the cache is whole as well.
    ground.image(&["build", "-q", "-t", "app", text(&context)]);
    let digest = Digest::of(big.repeat(2).as_bytes());
    assert_eq!(ground.file("app", "sum"), Some(format!("{}  /two\n", digest.hex())));
}

/// Ends the supervisor, and with it the worker that unpacks, at a moment of the work.
#[expect(clippy::disallowed_methods, reason = "a test's own process")]
fn kill_the_supervisor(node: &TestNode, work: &[&str], after: Duration) {
    let mut child = node.command(work).unwrap().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(after);
    let pid = node.supervisor_pid().unwrap();
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).unwrap();
    // It may have been through, or been told.
    child.wait().unwrap();
    let another = || node.supervisor_pid().ok().filter(|found| *found != pid);
    wait::until("a new supervisor", PATIENCE, another).unwrap();
}

#[tokio::test]
async fn unpacking_may_die_at_any_moment() {
    let config = "[playgrounds.big]\nimage = \"big\"\nuser = \"root\"\n".to_owned();
    let node = TestNode::with(Options { config, ..Options::default() }).unwrap();
    let ground = Ground::new();
    let archive = make_many_files(&ground);
    let image = |words: &[&str]| said(node.command(&[&["image"], words].concat()).unwrap().output().unwrap());
    let layers = || names(&node.state_dir().join("node/layers"));
    let others = layers().len();
    let begun = Instant::now();
    image(&["import", &archive, "big"]);
    let length = begun.elapsed();
    for moment in 1..=moments() {
        image(&["rm", "big"]);
        kill_the_supervisor(&node, &["image", "import", &archive, "big"], length * moment / moments());
        assert_eq!(image(&["verify"]).trim(), "the content store is whole");
        let whole = || layers().iter().all(|name| name.len() == 64).then_some(());
        wait::until("the end of what was left half unpacked", PATIENCE, whole).unwrap();
        image(&["import", &archive, "big"]);
    }
    assert_eq!(layers().len(), others + 1);
    let session = Api::new(&node.url()).unwrap().create("big").await.unwrap();
    assert_eq!(session.sh("ls /many | wc -l").await.unwrap(), (0, "4000\n".to_owned()));
    session.close().await.unwrap();
}

/// The root file system of `tiny`, and 4,000 files.
fn make_many_files(ground: &Ground) -> String {
    let path = ground.path("many.tar");
    ground.image(&["make", "tiny"]);
    ground.image(&["export", "-o", text(&path), "tiny"]);
    let folder = ground.path("files/many");
    std::fs::create_dir_all(&folder).unwrap();
    for number in 0..4000 {
        std::fs::write(folder.join(number.to_string()), "x".repeat(2000)).unwrap();
    }
    run("tar", &["--owner=0", "--group=0", "-C", text(&ground.path("files")), "-rf", text(&path), "many"]);
    text(&path).to_owned()
}
