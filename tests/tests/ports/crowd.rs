//! Watching many instances that do nothing, one of which then does something.

use std::time::Instant;

use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use sandlot_tests::api::Api;
use sandlot_tests::node::{Options, TestNode};

use sandlot_tests::port::Events;

const CONFIG: &str = "[limits]\nsessions_per_address = 2000\nsessions_per_node = 2000\nstarts_per_minute_per_address = 100000\n";

/// `SANDLOT_CROWD` sessions, 100 without it; a test node has ids for 400. What watching them costs `make bench` says.
#[tokio::test]
async fn a_port_is_noticed_among_many_idle_instances() -> Result<()> {
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
    last.sh("mkdir -p /w; httpd -p 80 -h /w").await?;
    let listens = Instant::now();
    events.next().await?;
    println!("among {count} idle instances a port is noticed after {:?}", listens.elapsed());
    assert!(listens.elapsed() <= super::NOTICE, "{:?}", listens.elapsed());
    Ok(())
}
