//! What serve costs while instances do nothing, by how many there are: all of it, the watching of ports among it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use sandlot_tests::api::Session;

use super::TOGETHER;

/// Instances of each session in the end, so that a hundred sessions have a thousand.
const EACH: usize = 10;
const SPAN: Duration = Duration::from_secs(20);
/// The last start has left nothing to be done.
const CALM: Duration = Duration::from_secs(5);

pub(super) async fn measure(sessions: &[Session], serve: u32) -> Result<Vec<String>> {
    let few = idle(serve, sessions.len()).await?;
    let joins = stream::iter(sessions).map(|session| async move {
        for _ in 1..EACH {
            session.add_instance().await?;
        }
        anyhow::Ok(())
    });
    joins.buffer_unordered(TOGETHER).try_collect::<Vec<()>>().await?;
    Ok(vec![few, idle(serve, sessions.len() * EACH).await?])
}

async fn idle(serve: u32, instances: usize) -> Result<String> {
    tokio::time::sleep(CALM).await;
    let (start, used) = (Instant::now(), cpu_time(serve)?);
    tokio::time::sleep(SPAN).await;
    let share = (cpu_time(serve)? - used).as_secs_f64() / start.elapsed().as_secs_f64();
    Ok(format!("networks: serve with {instances} idle instances  {:.2} % of a core", share * 100.0))
}

/// Cpu time that a process has used, all its threads together; by the scheduler, which counts nanoseconds.
pub(super) fn cpu_time(process: u32) -> Result<Duration> {
    let mut sum = 0;
    for thread in std::fs::read_dir(format!("/proc/{process}/task"))?.flatten() {
        let text = std::fs::read_to_string(thread.path().join("schedstat"))?;
        sum += text.split_whitespace().next().context("no time")?.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(sum))
}
