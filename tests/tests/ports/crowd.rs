//! What watching costs while nothing happens, and that it still sees what does.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use sandlot_tests::api::Api;
use sandlot_tests::node::{Options, TestNode};

use sandlot_tests::port::Events;

const CONFIG: &str = "[limits]\nsessions_per_address = 2000\nsessions_per_node = 2000\nstarts_per_minute_per_address = 100000\n";
const WATCHED: Duration = Duration::from_secs(10);

/// `SANDLOT_CROWD` sessions, 100 without it; a test node has ids for 400.
#[tokio::test]
async fn watching_idle_instances_costs_next_to_nothing() -> Result<()> {
    let count = std::env::var("SANDLOT_CROWD").ok().and_then(|text| text.parse().ok()).unwrap_or(100);
    let node = TestNode::with(Options { config: CONFIG.to_owned(), ..Options::default() })?;
    let api = Api::new(&node.url())?;
    let mut sessions = Vec::new();
    while sessions.len() < count {
        sessions.extend(try_join_all((0..20.min(count - sessions.len())).map(|_| api.create("tiny"))).await?);
    }
    let last = sessions.last().context("no session")?;
    let mut events = Events::of(&node, last).await?;
    events.next().await?;
    // The first looks at every instance, and ready disks, are behind this.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = cpu(node.serve_pid()?)?;
    tokio::time::sleep(WATCHED).await;
    let spent = cpu(node.serve_pid()?)?.saturating_sub(before);
    let share = spent.as_secs_f64() / WATCHED.as_secs_f64() * 100.0;
    println!("serve with {count} idle instances: {share:.2} % of a core");
    last.sh("mkdir -p /w; httpd -p 80 -h /w").await?;
    let listens = Instant::now();
    events.next().await?;
    println!("among them a port is noticed after {:?}", listens.elapsed());
    assert!(share <= 0.5, "{share} % of a core");
    assert!(listens.elapsed() <= super::NOTICE, "{:?}", listens.elapsed());
    Ok(())
}

/// Cpu time of all threads of a process.
fn cpu(pid: u32) -> Result<Duration> {
    let mut nanoseconds = 0;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        nanoseconds += text.split_whitespace().next().context("an empty schedstat")?.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}
