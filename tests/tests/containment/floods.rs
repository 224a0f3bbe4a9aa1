//! Floods in one session, felt by nobody else.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use reqwest::{Method, StatusCode};
use sandlot_tests::api::{Api, Session};
use sandlot_tests::node::TestNode;
use serde_json::json;

use crate::{node, say};

/// How long anything of another session may take meanwhile; generous, for the host has two cores.
const SOON: Duration = Duration::from_secs(5);

/// The node and another session answer.
async fn all_is_well(node: &TestNode, other: &Session) -> Result<()> {
    let start = Instant::now();
    let (status, body) = Api::new(&node.url())?.request(Method::GET, "/healthz", None, None).await?;
    ensure!(status == StatusCode::OK, "healthz: {status} {body}");
    ensure!(other.sh("echo alive").await?.1 == "alive\n", "the other session does not answer");
    ensure!(start.elapsed() < SOON, "the node took {:?} to answer", start.elapsed());
    Ok(())
}

/// Lights it in a terminal, so that what stays of the session is seen as well.
#[tokio::test]
async fn a_fork_bomb_stays_inside() -> Result<()> {
    let node = node()?;
    let api = Api::new(&node.url())?;
    let (small, other) = (api.create("small").await?, api.create("tiny").await?);
    let mut terminal = small.terminal().await?;
    terminal.input(b"bomb() { bomb | bomb & }; bomb; echo lit-$((1+1))\n").await?;
    terminal.expect("lit-2").await?;
    for _ in 0..5 {
        all_is_well(&node, &other).await?;
    }
    let pids = processes_of(&node)?;
    ensure!(pids <= 40 + 128 + 16, "{pids} processes");
    small.close().await?;
    all_is_well(&node, &other).await
}

/// Processes of all sessions of the node, by its range of ids.
fn processes_of(node: &TestNode) -> Result<usize> {
    use std::os::unix::fs::MetadataExt;
    let range = node.uid_base()..node.uid_base() + 65_536 * 100;
    let entries = std::fs::read_dir("/proc")?.flatten();
    Ok(entries.filter(|entry| entry.metadata().is_ok_and(|found| range.contains(&found.uid()))).count())
}

/// Only the guilty process dies; the terminal says why, and goes on.
#[tokio::test]
async fn a_memory_bomb_kills_only_itself_and_says_why() -> Result<()> {
    let node = node()?;
    let api = Api::new(&node.url())?;
    let (small, other) = (api.create("small").await?, api.create("tiny").await?);
    let mut terminal = small.terminal().await?;
    let bomb = "dd if=/dev/zero of=/dev/null bs=200M count=1; echo ended-$?\n";
    terminal.input(bomb.as_bytes()).await?;
    terminal.expect("ended-137").await?;
    terminal.input(b"echo alive-$((1+1))\n").await?;
    terminal.expect("alive-2").await?;
    let notice = terminal.control("notice").await?;
    ensure!(notice.to_string().contains("memory"), "the reason is not told: {notice}");
    all_is_well(&node, &other).await?;
    // With the memory, it does not die.
    let large = api.create("large").await?;
    say(&large, "dd if=/dev/zero of=/dev/null bs=200M count=1").await?;
    Ok(())
}

/// Bytes and inodes end inside, and are there again when they are freed.
#[tokio::test]
async fn a_full_disk_stays_inside() -> Result<()> {
    let node = node()?;
    let api = Api::new(&node.url())?;
    let (small, other) = (api.create("small").await?, api.create("large").await?);
    for (session, mebibytes) in [(&small, 16), (&other, 128)] {
        let told: u64 = say(session, "df -Pk / | awk 'END { print $2 }'").await?.trim().parse()?;
        let limit = mebibytes << 10;
        ensure!(told <= limit && told > limit * 8 / 10, "df tells {told} KiB of {limit}");
    }
    let write = "dd if=/dev/zero of=/root/full bs=1M count=64 2>&1; ls -l /root/full";
    let (_, said) = small.sh(write).await?;
    ensure!(said.contains("No space left") || said.contains("quota exceeded"), "64 MiB fit into 16: {said}");
    say(&other, "dd if=/dev/zero of=/root/full bs=1M count=64 && rm /root/full").await?;
    say(&small, "rm /root/full && echo x > /root/fits").await?;
    let inodes = "i=0; mkdir /root/many; while true 2>/dev/null > /root/many/$i; do i=$((i+1)); [ $i -lt 3000 ] || exit 9; done; echo $i";
    let (code, made) = small.sh(inodes).await?;
    ensure!(code == 0, "3,000 files fit into 16 MiB, or the shell gave up: {code} {made}");
    let (code, made) = other.sh(inodes).await?;
    ensure!(code == 9, "3,000 files do not even fit into 128 MiB: {code} {made}");
    all_is_well(&node, &other).await
}

/// Direct writes go at the limit's pace, through the disk's driver.
#[tokio::test]
async fn a_flood_of_writes_is_slowed_down() -> Result<()> {
    let node = node()?;
    let api = Api::new(&node.url())?;
    let (slow, other) = (api.create("slow").await?, api.create("large").await?);
    let write = "dd if=/dev/zero of=/root/file bs=256k count=24 oflag=direct 2>/dev/null";
    let begun = Instant::now();
    say(&slow, write).await?;
    let took = begun.elapsed();
    // 6 MiB at 2 MiB a second.
    ensure!(took.as_millis() > 2000, "the limit does not hold: {took:?}");
    say(&other, write).await?;
    all_is_well(&node, &other).await
}

/// A session that has taken all its terminals gets no more; another one does.
#[tokio::test]
async fn terminals_run_out_for_one_session_only() -> Result<()> {
    let node = node()?;
    let api = Api::new(&node.url())?;
    let (small, other) = (api.create("large").await?, api.create("tiny").await?);
    // `script` holds one each; they end with the session.
    let take = "i=0; while [ $i -lt 80 ]; do (exec 3<>/dev/ptmx; sleep 1000) >/dev/null 2>&1 </dev/null & i=$((i+1)); done; \
        i=0; until ! (: 3<>/dev/ptmx) 2>/dev/null || [ $i -gt 200 ]; do i=$((i+1)); sleep 0.02; done; \
        (: 3<>/dev/ptmx) 2>&1 || echo full";
    let said = say(&small, take).await?;
    ensure!(said.contains("full"), "terminals do not run out: {said}");
    let size = json!({ "rows": 24, "cols": 80 });
    let (status, body) = small.request(Method::POST, "/instances/m1/terminals", Some(size)).await?;
    ensure!(
        !status.is_success() && body.get("detail").is_some(),
        "a terminal beyond the last: {status} {body}"
    );
    let mut terminal = other.terminal().await?;
    terminal.input(b"echo up-$((1+1))\n").await?;
    terminal.expect("up-2").await?;
    all_is_well(&node, &other).await
}
