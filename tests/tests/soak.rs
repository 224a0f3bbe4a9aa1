//! Sessions opened and closed again and again: nothing may stay behind, neither in the kernel nor in serve's memory.

use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use sandlot_tests::api::Api;
use sandlot_tests::node::{Options, TestNode};

/// Sessions that live at the same time.
const TOGETHER: usize = 5;

fn cycles() -> usize {
    std::env::var("SANDLOT_SOAK_CYCLES").ok().and_then(|c| c.parse().ok()).unwrap_or(100)
}

/// Resident memory of a process in KiB.
fn resident_kib(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

fn descriptors(pid: u32) -> Result<usize> {
    Ok(std::fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

/// Sandboxes of the node: folders of the sessions' cgroups and files in any hierarchy.
fn session_folders(node: &TestNode) -> usize {
    std::fs::read_dir(node.state_dir().join("node/sessions")).map_or(0, |folder| folder.flatten().count())
}

async fn cycle(api: &Api) -> Result<()> {
    let session = api.create("tiny").await?;
    let mut terminal = session.terminal().await?;
    terminal.input(b"echo soak-$((1+1))\n").await?;
    terminal.expect("soak-2").await?;
    session.close().await
}

#[tokio::test]
async fn cycles_leave_nothing_behind() -> Result<()> {
    let config = "[limits]\nsessions_per_address = 100\nsessions_per_node = 100\nstarts_per_minute_per_address = 100000\n";
    let node = TestNode::with(Options { config: config.to_owned(), ..Options::default() })?;
    let api = Api::new(&node.url())?;
    let (serve, supervisor) = (node.serve_pid()?, node.supervisor_pid()?);
    let (mut early_memory, mut early_descriptors) = ((0, 0), (0, 0));
    let turns = cycles() / TOGETHER;
    for turn in 0..turns {
        try_join_all((0..TOGETHER).map(|_| cycle(&api))).await?;
        // After the first tenth, but never before everything has been used a few times.
        if turn == (turns / 10).max(4) {
            early_memory = (resident_kib(serve)?, resident_kib(supervisor)?);
            early_descriptors = (descriptors(serve)?, descriptors(supervisor)?);
        }
    }
    let memory = (resident_kib(serve)?, resident_kib(supervisor)?);
    println!(
        "{} cycles: RSS of serve {} -> {} KiB, of the supervisor {} -> {} KiB",
        turns * TOGETHER,
        early_memory.0,
        memory.0,
        early_memory.1,
        memory.1
    );
    let grown = |now: u64, early: u64| now * 100 > early * 105 + 25_600;
    assert!(!grown(memory.0, early_memory.0), "serve grew from {} to {} KiB", early_memory.0, memory.0);
    assert!(
        !grown(memory.1, early_memory.1),
        "the supervisor grew from {} to {} KiB",
        early_memory.1,
        memory.1
    );
    assert!(descriptors(serve)? <= early_descriptors.0 + 4, "descriptors of serve");
    assert!(descriptors(supervisor)? <= early_descriptors.1 + 4, "descriptors of the supervisor");
    assert_eq!(session_folders(&node), 0, "folders of sessions");
    Ok(())
}
