//! Waiting for something to become true, with a deadline instead of a sleep that hopes.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long anything in a test may take before the test fails, unless it says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again and again until `probe` gives something.
///
/// # Errors
/// When the time is over; the message names `what`.
pub fn until<T>(what: &str, patience: Duration, mut probe: impl FnMut() -> Option<T>) -> Result<T> {
    let end = Instant::now() + patience;
    loop {
        if let Some(found) = probe() {
            return Ok(found);
        }
        if Instant::now() > end {
            bail!("waited {patience:?} for {what}");
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// As [`until`], for a probe that itself waits for the network.
///
/// # Errors
/// When the time is over; the message names `what`.
pub async fn until_async<T, F>(what: &str, patience: Duration, mut probe: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Option<T>>,
{
    let end = Instant::now() + patience;
    let mut turn = tokio::time::interval(Duration::from_millis(10));
    loop {
        turn.tick().await;
        if let Some(found) = probe().await {
            return Ok(found);
        }
        if Instant::now() > end {
            bail!("waited {patience:?} for {what}");
        }
    }
}
