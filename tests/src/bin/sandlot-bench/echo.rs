//! A typed byte until its echo, beside the bare pump.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::{SinkExt, StreamExt};
use sandlot_tests::api::Api;
use sandlot_tests::terminal::{Frame, Terminal};
use tokio_tungstenite::tungstenite::Message;

use crate::pump::Pump;
use crate::statistics::{ms, percentile, ratio};

const ROUNDS: usize = 1000;

/// Measures both in turns.
pub(crate) async fn measure(api: &Api, pump: &Pump) -> Result<Vec<String>> {
    let session = api.create("tiny").await?;
    let mut terminal = quiet(session.terminal().await?).await?;
    let (mut bare, _) = tokio_tungstenite::connect_async_with_config(pump.url(), None, true).await?;
    bare.send(Message::binary(&b"cat\n"[..])).await?;
    let (mut ours, mut floors) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS + 50 {
        let sample = one(&mut terminal).await?;
        let start = Instant::now();
        bare.send(Message::binary(&b"x"[..])).await?;
        loop {
            let message = bare.next().await.context("the pump closed")??;
            if message.into_data().ends_with(b"x") {
                break;
            }
        }
        if round >= 50 {
            ours.push(sample);
            floors.push(start.elapsed());
        }
    }
    session.close().await?;
    let (p50, floor) = (percentile(&ours, 50), percentile(&floors, 50));
    Ok(vec![
        format!("echo: one terminal                 p50 {}  p99 {}", ms(p50), ms(percentile(&ours, 99))),
        format!("echo: bare pump                    p50 {}  ratio {}", ms(floor), ratio(p50, floor)),
    ])
}

/// A terminal in which `cat` runs, so that the kernel echoes and no shell redraws.
pub(crate) async fn quiet(mut terminal: Terminal) -> Result<Terminal> {
    terminal.input(b"echo ready-$((1+1)); exec cat\n").await?;
    terminal.expect("ready-2").await?;
    Ok(terminal)
}

/// One byte there and back.
pub(crate) async fn one(terminal: &mut Terminal) -> Result<Duration> {
    let start = Instant::now();
    terminal.input(b"x").await?;
    loop {
        if let Frame::Output(_, bytes) = terminal.next().await?
            && bytes.ends_with(b"x")
        {
            return Ok(start.elapsed());
        }
    }
}
