//! From `POST /api/v1/sessions` to the first byte of the prompt at the websocket.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use sandlot_tests::api::Api;
use sandlot_tests::terminal::Frame;

use crate::floor;
use crate::statistics::{ms, percentile, ratio};

const ROUNDS: usize = 30;

/// Measures starts and the floor in turns.
pub(crate) async fn measure(api: &Api) -> Result<Vec<String>> {
    let (mut starts, mut creates, mut floors) = (Vec::new(), Vec::new(), Vec::new());
    one(api).await?;
    for _ in 0..ROUNDS {
        // The next start must find an idle machine, as a first visitor would.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let (created, prompt) = one(api).await?;
        creates.push(created);
        starts.push(prompt);
        floors.push(tokio::task::spawn_blocking(floor::clone_and_exec).await??);
    }
    let (p50, floor) = (percentile(&starts, 50), percentile(&floors, 50));
    Ok(vec![
        format!("start: POST to first prompt byte   p50 {}  p95 {}", ms(p50), ms(percentile(&starts, 95))),
        format!("start: POST answered               p50 {}", ms(percentile(&creates, 50))),
        format!("start: plain clone and exec        p50 {}  ratio {}", ms(floor), ratio(p50, floor)),
    ])
}

/// One session: time until the 201, and until the first output.
async fn one(api: &Api) -> Result<(Duration, Duration)> {
    let start = Instant::now();
    let session = api.create("tiny").await?;
    let created = start.elapsed();
    let mut terminal = session.terminal().await?;
    loop {
        match terminal.next().await? {
            Frame::Output(_, bytes) if !bytes.is_empty() => break,
            Frame::Closed(code, reason) => bail!("closed with {code} `{reason}`"),
            _ => {}
        }
    }
    let prompt = start.elapsed();
    session.close().await?;
    Ok((created, prompt))
}
