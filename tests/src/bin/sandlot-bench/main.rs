//! `sandlot-bench`: latencies and throughput of a real node as ratios against floors measured in the same run.
//!
//! The floors: a plain clone + exec of the same namespaces, and a bare PTY -> websocket pump that gathers 64 KiB.
//! Needs root. `sandlot-bench oci` measures the command line of `sandlot-oci` only, `sandlot-bench images` images only,
//! `sandlot-bench proxy` the proxy of ports only, beside nginx, `sandlot-bench networks` the networks of sessions only. Prints one line per figure; `SANDLOT_BENCH_SESSIONS` (default 300) is the size of the crowd.

mod crowd;
mod echo;
mod floor;
mod images;
mod networks;
mod oci;
mod proxy;
mod pump;
mod start;
mod statistics;
mod throughput;

use anyhow::Result;
use sandlot_tests::api::Api;
use sandlot_tests::node::{Options, TestNode};

/// Limits that no bench runs into.
const CONFIG: &str = "[limits]\nsessions_per_address = 2000\nsessions_per_node = 1000\nstarts_per_minute_per_address = 100000\n";

fn main() -> Result<()> {
    let words: Vec<std::path::PathBuf> = std::env::args_os().skip(1).map(Into::into).collect();
    match words.as_slice() {
        // It clones, which only a process with one thread may.
        [word, root, bundle] if word.as_os_str() == "library" => oci::serve_library(root, bundle),
        _ => measure(),
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "printing is what this program is for")]
async fn measure() -> Result<()> {
    let part = std::env::args().nth(1);
    if part.as_deref() == Some("proxy") {
        return proxy::measure().await.map(|lines| lines.iter().for_each(|line| println!("{line}")));
    }
    if part.as_deref() == Some("networks") {
        return networks::measure().await.map(|lines| lines.iter().for_each(|line| println!("{line}")));
    }
    if part.as_deref() != Some("images") {
        for line in tokio::task::spawn_blocking(oci::measure).await?? {
            println!("{line}");
        }
    }
    if part.as_deref() == Some("oci") {
        return Ok(());
    }
    for line in tokio::task::spawn_blocking(images::measure).await?? {
        println!("{line}");
    }
    for line in images::measure_starts().await? {
        println!("{line}");
    }
    if part.as_deref() == Some("images") {
        return Ok(());
    }
    let node = TestNode::with(Options { config: CONFIG.to_owned(), ..Options::default() })?;
    let api = Api::new(&node.url())?;
    let pump = pump::Pump::start().await?;
    for line in start::measure(&api).await? {
        println!("{line}");
    }
    println!("{}", start_without_ready_disks().await?);
    for line in echo::measure(&api, &pump).await? {
        println!("{line}");
    }
    for line in throughput::measure(&api, &pump, &node).await? {
        println!("{line}");
    }
    for line in crowd::measure(&api).await? {
        println!("{line}");
    }
    drop(node);
    for line in networks::measure().await?.into_iter().chain(proxy::measure().await?) {
        println!("{line}");
    }
    Ok(())
}

/// The same start on a node that makes nothing ahead.
async fn start_without_ready_disks() -> Result<String> {
    let arguments = ["--ready-disks", "0"].map(str::to_owned).to_vec();
    let node = TestNode::with(Options { config: CONFIG.to_owned(), arguments, ..Options::default() })?;
    let lines = start::measure(&Api::new(&node.url())?).await?;
    let first = lines.first().map_or_else(String::new, String::clone);
    Ok(first.replace("start: POST", "start: no ready disks: POST"))
}
