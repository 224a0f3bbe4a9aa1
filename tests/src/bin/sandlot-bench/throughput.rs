//! Megabytes per second of a flood, and what it costs serve, beside the bare pump.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::{SinkExt, StreamExt};
use sandlot_tests::api::Api;
use sandlot_tests::node::TestNode;
use tokio_tungstenite::tungstenite::Message;

use crate::pump::Pump;
use crate::statistics::{percentile, ratio};

/// Bytes of one flood.
const FLOOD: usize = 64 * 1024 * 1024;
const COMMAND: &str = "stty -opost; busybox yes 0123456789012345678901234567890123456789012345678901234567 | busybox head -c 67108864; echo flood-$((1+1))\n";
const ROUNDS: usize = 5;
/// Bytes between two acknowledgements, well below the window.
const ACKNOWLEDGE_EVERY: u64 = 32 * 1024;

/// Measures floods in turns.
pub(crate) async fn measure(api: &Api, pump: &Pump, node: &TestNode) -> Result<Vec<String>> {
    let (mut ours, mut floors) = (Vec::new(), Vec::new());
    let cpu = serve_cpu(node)?;
    for _ in 0..ROUNDS {
        ours.push(flood(api).await?);
        floors.push(bare_flood(pump).await?);
    }
    let spent = serve_cpu(node)? - cpu;
    let (p50, floor) = (percentile(&ours, 50), percentile(&floors, 50));
    let rate = |d: Duration| FLOOD as f64 / 1e6 / d.as_secs_f64();
    let per_megabyte = spent.as_secs_f64() * 1e3 / (ROUNDS * FLOOD) as f64 * 1e6;
    Ok(vec![
        format!("throughput: one terminal           {:.0} MB/s", rate(p50)),
        format!("throughput: bare pump              {:.0} MB/s  ratio {}", rate(floor), ratio(floor, p50)),
        format!("throughput: cpu of serve           {per_megabyte:.2} ms per MB"),
    ])
}

async fn flood(api: &Api) -> Result<Duration> {
    let session = api.create("tiny").await?;
    let mut terminal = session.terminal().await?;
    let start = Instant::now();
    terminal.input(COMMAND.as_bytes()).await?;
    let (mut seen, mut acknowledged) = (0, 0);
    while !ends_with_mark(&terminal.output) {
        terminal.next_unacknowledged().await?;
        // As the page does: not at each frame.
        if terminal.offset() - acknowledged >= ACKNOWLEDGE_EVERY {
            acknowledged = terminal.offset();
            terminal.acknowledge().await?;
        }
        seen += terminal.output.len();
        // Only the end is looked at; what is older would only fill memory.
        let keep = terminal.output.len().min(64);
        terminal.first += (terminal.output.len() - keep) as u64;
        terminal.output.drain(..terminal.output.len() - keep);
        seen -= keep;
    }
    let took = start.elapsed();
    anyhow::ensure!(seen + 128 > FLOOD, "only {seen} bytes came");
    session.close().await?;
    Ok(took)
}

async fn bare_flood(pump: &Pump) -> Result<Duration> {
    let (mut bare, _) = tokio_tungstenite::connect_async_with_config(pump.url(), None, true).await?;
    let start = Instant::now();
    bare.send(Message::binary(COMMAND.as_bytes())).await?;
    let mut end = Vec::new();
    while !ends_with_mark(&end) {
        let data = bare.next().await.context("the pump closed")??.into_data();
        end.extend_from_slice(&data);
        let keep = end.len().min(64);
        end.drain(..end.len() - keep);
    }
    Ok(start.elapsed())
}

fn ends_with_mark(output: &[u8]) -> bool {
    output.windows(7).any(|w| w == b"flood-2")
}

/// Cpu time that serve has used: user and system, from /proc/PID/stat (proc(5), in ticks of 10 ms).
fn serve_cpu(node: &TestNode) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", node.serve_pid()?))?;
    let after = stat.rsplit_once(") ").context("no name in stat")?.1;
    let ticks: u64 = after.split(' ').skip(11).take(2).filter_map(|t| t.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}
