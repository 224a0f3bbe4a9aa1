//! Starting from a large image and from a small one, and what many sessions of the large one take of the disk.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use sandlot_tests::api::Api;
use sandlot_tests::node::{Options, TestNode};

use super::{add_files, done, shares};
use crate::statistics::{ms, percentile, ratio};

const ROUNDS: usize = 40;
const SESSIONS: usize = 200;
/// Sessions that are started at once.
const AT_ONCE: usize = 10;
/// Of the large image, without what `tiny` has.
const BYTES: u64 = 300 << 20;
const CONFIG: &str = "[limits]\nsessions_per_address = 2000\nsessions_per_node = 1000\nstarts_per_minute_per_address = 100000\n\
    [playgrounds.tiny]\nimage = \"tiny\"\n[playgrounds.big]\nimage = \"big\"\n";

/// Measures starts in turns, then the disk.
pub(crate) async fn measure() -> Result<Vec<String>> {
    let node = TestNode::with(Options { config: CONFIG.to_owned(), ..Options::default() })?;
    import_large(&node)?;
    let image = disk_of(&node.state_dir().join("node/layers"))?;
    let api = Api::new(&node.url())?;
    let (mut tiny, mut big) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        tiny.push(start(&api, "tiny").await?);
        big.push(start(&api, "big").await?);
    }
    let (tiny, big) = (percentile(&tiny, 50), percentile(&big, 50));
    let before = disk_of(&node.state_dir())?;
    let mut sessions = Vec::new();
    while sessions.len() < SESSIONS {
        sessions.extend(try_join_all((0..AT_ONCE).map(|_| api.create("big"))).await?);
    }
    let each = disk_of(&node.state_dir())?.saturating_sub(before) / SESSIONS as u64;
    try_join_all(sessions.iter().map(sandlot_tests::api::Session::close)).await?;
    Ok(vec![
        format!(
            "start: from tiny p50 {}, from {} MiB p50 {}  ratio {}",
            ms(tiny),
            BYTES >> 20,
            ms(big),
            ratio(big, tiny)
        ),
        format!("disk: unpacked image {image} KiB, each of {SESSIONS} sessions of it {each} KiB"),
    ])
}

/// `tiny` and files of this host.
fn import_large(node: &TestNode) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let tar = folder.path().join("big.tar");
    let path = tar.to_string_lossy();
    done(&mut node.command(&["image", "export", "-o", &path, "tiny"])?)?;
    add_files(&tar, shares(1, BYTES)?.first().context("a share")?)?;
    done(&mut node.command(&["image", "import", &path, "big"])?)
}

/// A session, and a program in it.
async fn start(api: &Api, playground: &str) -> Result<Duration> {
    // The disks that were made ahead are made again.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begun = Instant::now();
    let session = api.create(playground).await?;
    session.sh("exec /bin/busybox true").await?;
    let took = begun.elapsed();
    session.close().await?;
    Ok(took)
}

/// What a folder takes of the disk, in KiB.
fn disk_of(folder: &Path) -> Result<u64> {
    done(&mut Command::new("sync"))?;
    let output = Command::new("du").args(["-sxk"]).arg(folder).output()?;
    let text = String::from_utf8(output.stdout)?;
    Ok(text.split_whitespace().next().context("du")?.parse()?)
}
