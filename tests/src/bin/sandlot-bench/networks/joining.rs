//! From `POST .../instances` to the first byte of the new instance's prompt.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use reqwest::Method;
use sandlot_tests::api::{Api, Session};
use sandlot_tests::terminal::Frame;

use super::OTHERS;
use crate::statistics::{ms, percentile};

const ROUNDS: usize = 40;

pub(super) async fn measure(api: &Api, label: &str) -> Result<Vec<String>> {
    let session = api.create("small").await?;
    let (mut answers, mut prompts) = (Vec::new(), Vec::new());
    one(&session).await?;
    for _ in 0..ROUNDS {
        // The next one must find an idle machine, as a person at a page would.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let (answered, prompt) = one(&session).await?;
        answers.push(answered);
        prompts.push(prompt);
    }
    session.close().await?;
    let line = |name: &str, samples: &[Duration]| {
        let (p50, p95) = (ms(percentile(samples, 50)), ms(percentile(samples, 95)));
        format!("networks: POST instances {name:18} p50 {p50}  p95 {p95} ({label}, {OTHERS} other sessions)")
    };
    Ok(vec![line("to first prompt", &prompts), line("answered", &answers)])
}

/// One instance: time until the 201, and until the first output.
async fn one(session: &Session) -> Result<(Duration, Duration)> {
    let start = Instant::now();
    let name = session.add_instance().await?;
    let answered = start.elapsed();
    let mut terminal = session.terminal_of(&name).await?;
    loop {
        match terminal.next().await? {
            Frame::Output(_, bytes) if !bytes.is_empty() => break,
            Frame::Closed(code, reason) => bail!("closed with {code} `{reason}`"),
            _ => {}
        }
    }
    let prompt = start.elapsed();
    session.request(Method::DELETE, &format!("/instances/{name}"), None).await?;
    Ok((answered, prompt))
}
