//! The proxy of ports beside nginx, both before the same upstream, which is an nginx of its own. Over the local backend:
//! only there do both reach one upstream.

mod ground;
mod idle;

use std::time::Duration;

use anyhow::{Context, Result};

use self::ground::{Ground, Target};
use crate::statistics::{percentile, ratio};

const ROUNDS: usize = 5;
const SMALL: &str = "/small";
const BIG: &str = "/big";

/// Measures both in turns.
pub(crate) async fn measure() -> Result<Vec<String>> {
    let ground = Ground::start().await?;
    let mut lines = Vec::new();
    for (name, connection) in [("keep-alive", "keep-alive"), ("no keep-alive", "close")] {
        let (mut ours, mut floors) = (Load::default(), Load::default());
        for _ in 0..ROUNDS {
            ours.add(&ground.own, connection).await?;
            floors.add(&ground.nginx(connection), connection).await?;
        }
        lines.extend(compare(name, &ours, &floors));
    }
    let (mut ours, mut floors) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(ground.download(&ground.own, BIG).await?);
        floors.push(ground.download(&ground.nginx("keep-alive"), BIG).await?);
    }
    let (own, floor) = (percentile(&ours, 50), percentile(&floors, 50));
    let rate = |d: Duration| 104.8576 / d.as_secs_f64();
    lines.push(format!(
        "proxy: 100 MB body                 {:.0} MB/s, nginx {:.0} MB/s  ratio {}",
        rate(own),
        rate(floor),
        ratio(floor, own)
    ));
    lines.push(idle::measure(&ground).await?);
    Ok(lines)
}

/// What some runs of `wrk` came to.
#[derive(Debug, Default)]
struct Load {
    /// Time of one request, all connections together.
    pace: Vec<Duration>,
    p99: Vec<Duration>,
}

impl Load {
    async fn add(&mut self, target: &Target, connection: &str) -> Result<()> {
        let output = tokio::process::Command::new("wrk")
            .args(["-t1", "-c32", "-d3s", "--latency", "-H", &format!("Host: {}", target.host)])
            .args(["-H", &format!("Connection: {connection}"), &format!("http://{}{SMALL}", target.address)])
            .output()
            .await
            .context("run wrk")?;
        let text = String::from_utf8_lossy(&output.stdout);
        anyhow::ensure!(!text.contains("Non-2xx"), "{text}");
        let rate = after(&text, "Requests/sec:").and_then(|word| word.parse::<f64>().ok());
        self.pace.push(Duration::from_secs_f64(1.0 / rate.with_context(|| format!("no rate: {text}"))?));
        self.p99.push(after(&text, "99%").and_then(duration).with_context(|| format!("no p99: {text}"))?);
        Ok(())
    }
}

fn compare(name: &str, ours: &Load, floors: &Load) -> [String; 2] {
    let (own, floor) = (percentile(&ours.pace, 50), percentile(&floors.pace, 50));
    let (own99, floor99) = (percentile(&ours.p99, 50), percentile(&floors.p99, 50));
    let rate = |pace: Duration| 1.0 / pace.as_secs_f64();
    [
        format!(
            "proxy: {name:14} requests/s   {:.0}, nginx {:.0}  ratio {}",
            rate(own),
            rate(floor),
            ratio(floor, own)
        ),
        format!(
            "proxy: {name:14} p99          {own99:.2?}, nginx {floor99:.2?}  ratio {}",
            ratio(own99, floor99)
        ),
    ]
}

/// The word after `label`.
fn after<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    text.split_once(label)?.1.split_whitespace().next()
}

/// As wrk prints it: `123.00us`, `1.20ms`, `1.00s`.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..)? {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        _ => return None,
    };
    Some(Duration::from_secs_f64(digits.parse::<f64>().ok()? * unit))
}
