//! Sessions of two instances each, many of them alive at once: nothing may stay behind when they are gone.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use sandlot_tests::api::{Api, Session};
use sandlot_tests::kernel;
use sandlot_tests::node::{Options, TestNode};

/// Sessions that are being started or closed at the same time.
const TOGETHER: usize = 4;
/// Sessions that are alive at once at most: a test node has ids for some hundred.
const ALIVE: usize = 250;
/// Ready networks, and what a processor's slab counts as used. A session has three.
const OTHER_NAMESPACES: u64 = 16;
/// The kernel takes namespaces apart in batches, behind everybody's back.
const PATIENCE: Duration = Duration::from_secs(60);

const CONFIG: &str = r#"
[playgrounds.pair]
image = "tiny"
memory = "64 MiB"
disk = "32 MiB"
instances = 2

[limits]
sessions_per_address = 1000
sessions_per_node = 1000
starts_per_minute_per_address = 100000
"#;

/// What the node holds that grows with sessions.
#[derive(Debug)]
struct Held {
    serve_descriptors: usize,
    supervisor_descriptors: usize,
    network_namespaces: u64,
    live_rows: String,
    folders: usize,
}

impl Held {
    fn look(node: &TestNode) -> Result<Self> {
        let descriptors = |pid: u32| Ok::<_, std::io::Error>(folder(format!("/proc/{pid}/fd")));
        Ok(Self {
            serve_descriptors: descriptors(node.serve_pid()?)?,
            supervisor_descriptors: descriptors(node.supervisor_pid()?)?,
            network_namespaces: kernel::network_namespaces()?,
            live_rows: live_rows(&node.state_dir())?,
            folders: folder(node.state_dir().join("node/sessions")),
        })
    }

    /// Whether this is no more than what there was. Ready networks and disks come and go by a few.
    fn is_within(&self, before: &Self) -> bool {
        self.serve_descriptors <= before.serve_descriptors + 4
            && self.supervisor_descriptors <= before.supervisor_descriptors + 16
            && self.network_namespaces <= before.network_namespaces + OTHER_NAMESPACES
            && self.live_rows == "0"
            && self.folders == before.folders
    }
}

fn folder(path: impl AsRef<Path>) -> usize {
    std::fs::read_dir(path).map_or(0, |entries| entries.flatten().count())
}

fn live_rows(state: &Path) -> Result<String> {
    let query = "SELECT count(*) FROM sessions WHERE ended_at IS NULL";
    let output = Command::new("sqlite3").arg(state.join("serve/sandlot.db")).arg(query).output();
    let output = output.context("run sqlite3")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A pair that knows each other by name.
async fn open(api: &Api) -> Result<Session> {
    let session = api.create("pair").await?;
    let (code, output) = session.sh("ping -c 1 -W 10 node2").await?;
    ensure!(code == 0, "{output}");
    Ok(session)
}

async fn wave(api: &Api, count: usize) -> Result<Vec<Session>> {
    stream::iter(0..count).map(|_| open(api)).buffer_unordered(TOGETHER).try_collect().await
}

async fn close(sessions: Vec<Session>) -> Result<()> {
    let closes = stream::iter(sessions).map(|session| async move { session.close().await });
    closes.buffer_unordered(TOGETHER).try_collect().await
}

/// What is held once everything is gone. It is looked at seldom: each look makes the kernel wait for all processors,
/// and with them what takes namespaces apart.
async fn settled(node: &TestNode, before: &Held) -> Result<Held> {
    let end = Instant::now() + PATIENCE;
    let mut turn = tokio::time::interval(Duration::from_secs(2));
    loop {
        turn.tick().await;
        let held = Held::look(node)?;
        if held.is_within(before) {
            return Ok(held);
        }
        ensure!(Instant::now() < end, "before {before:?}, after {held:?}");
    }
}

#[tokio::test]
async fn pairs_leave_nothing_behind() -> Result<()> {
    let all = std::env::var("SANDLOT_SOAK_SESSIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(40);
    let node = TestNode::with(Options { config: CONFIG.to_owned(), ..Options::default() })?;
    let api = Api::new(&node.url())?;
    // Whatever is made at its first use is there afterwards.
    close(wave(&api, 8).await?).await?;
    let before = Held::look(&node)?;
    let mut left = all;
    while left > 0 {
        let sessions = wave(&api, left.min(ALIVE)).await?;
        left -= sessions.len();
        println!("{} sessions of two instances: {:?}", sessions.len(), Held::look(&node)?);
        close(sessions).await?;
        let after = settled(&node, &before).await?;
        println!("closed: {after:?}");
    }
    Ok(())
}
