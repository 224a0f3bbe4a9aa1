//! Echo and memory with many sessions of one terminal each.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::StreamExt;
use futures_util::stream;
use sandlot_tests::api::{Api, Session};
use sandlot_tests::terminal::Terminal;

use crate::echo;
use crate::statistics::{ms, percentile, ratio};

/// Sessions that are being started at the same time.
const TOGETHER: usize = 4;

/// Opens the crowd, measures, and closes it.
pub(crate) async fn measure(api: &Api) -> Result<Vec<String>> {
    let count = std::env::var("SANDLOT_BENCH_SESSIONS").ok().and_then(|s| s.parse().ok()).unwrap_or(300);
    let before = available_kib()?;
    let start = Instant::now();
    let mut crowd = open(api, count).await?;
    let opened = start.elapsed();
    let memory = before.saturating_sub(available_kib()?) / count as u64;
    let alone = sample(crowd.iter_mut().take(1), 300).await?;
    let all = sample(crowd.iter_mut(), 5).await?;
    for (session, _) in &crowd {
        session.close().await?;
    }
    let (one, p50) = (percentile(&alone, 50), percentile(&all, 50));
    Ok(vec![
        format!("crowd: {count} sessions opened in      {:.1} s", opened.as_secs_f64()),
        format!(
            "crowd: memory per idle instance    {memory} KiB (MemAvailable; serve, client and shell included)"
        ),
        format!("crowd: echo of one                 p50 {}", ms(one)),
        format!(
            "crowd: echo over all               p50 {}  p99 {}  ratio {}",
            ms(p50),
            ms(percentile(&all, 99)),
            ratio(p50, one)
        ),
    ])
}

async fn open(api: &Api, count: usize) -> Result<Vec<(Session, Terminal)>> {
    let starts = stream::iter(0..count).map(|_| async {
        let session = api.create("tiny").await?;
        let terminal = echo::quiet(session.terminal().await?).await?;
        anyhow::Ok((session, terminal))
    });
    starts.buffer_unordered(TOGETHER).collect::<Vec<_>>().await.into_iter().collect()
}

async fn sample(
    crowd: impl Iterator<Item = &mut (Session, Terminal)>,
    rounds: usize,
) -> Result<Vec<Duration>> {
    let mut samples = Vec::new();
    for (_, terminal) in crowd {
        for _ in 0..rounds {
            samples.push(echo::one(terminal).await?);
        }
    }
    Ok(samples)
}

fn available_kib() -> Result<u64> {
    let table = std::fs::read_to_string("/proc/meminfo")?;
    let line = table.lines().find_map(|l| l.strip_prefix("MemAvailable:")).context("no MemAvailable")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
