//! More questions than a person asks: what does not fit is lost, and nothing else.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::rr::RecordType::A;

use super::asked;
use crate::ground::open_ground;
use crate::question::{self, Client, SWITCH, about};

const BURST: usize = 5000;
/// Questions that wait for their answer at once.
const WINDOW: usize = 100;
/// More connections than one session may have.
const CONNECTIONS: usize = 64;

#[tokio::test]
async fn a_burst_of_questions_is_answered() -> Result<()> {
    let ground = open_ground()?;
    let net = ground.net("pair").await?;
    let client = Client::new(&net.instance, SWITCH)?;
    // All at once, and nobody listens: what does not fit is lost, and nothing else.
    let question = about("db", A)?.to_vec()?;
    for _ in 0..BURST {
        // The queue of the sender may be full.
        drop(client.0.send(&question));
    }
    let client = Client::new(&net.instance, SWITCH)?;
    ensure!(asked(&client, "db", A)?.1 == ["10.99.0.12"], "no answer after the burst");
    let begun = Instant::now();
    let answered = answered(&client)?;
    println!("{BURST} questions in {:?}", begun.elapsed());
    ensure!(answered == BURST, "{answered} of {BURST} questions were answered");
    ensure!(asked(&client, "web.example", A)?.1 == ["198.51.100.10"], "nor is anything beyond");
    net.session.close().await
}

/// Asks with some questions under way at any time, as many programs at once would.
fn answered(client: &Client) -> Result<usize> {
    let template = about("db", A)?;
    let ask = |number: usize| {
        let mut question = template.clone();
        question.metadata.id = u16::try_from(number)?;
        client.0.send(&question.to_vec()?)?;
        anyhow::Ok(())
    };
    (0..WINDOW).try_for_each(ask)?;
    let (mut ids, mut bytes) = (BTreeSet::new(), [0; 512]);
    while ids.len() < BURST {
        let length =
            client.0.recv(&mut bytes).with_context(|| format!("{} answers, and no more", ids.len()))?;
        let answer = Message::from_vec(&bytes[..length])?;
        ensure!(answer.answers.len() == 1, "{answer}");
        ids.insert(answer.metadata.id);
        if ids.len() + WINDOW <= BURST {
            ask(ids.len() + WINDOW - 1)?;
        }
    }
    Ok(ids.len())
}

#[tokio::test]
async fn idle_connections_hold_up_nobody() -> Result<()> {
    let ground = open_ground()?;
    let (net, other) = (ground.net("open").await?, ground.net("open").await?);
    let connect = || (0..CONNECTIONS).map(|_| Ok(TcpStream::connect(SWITCH)?)).collect::<Result<Vec<_>>>();
    let held = net.instance.within(connect)?;
    ensure!(asked(&Client::new(&net.instance, SWITCH)?, "node1", A)?.1 == ["10.99.0.11"], "no answer");
    let question = about("node1", A)?.to_vec()?;
    ensure!(
        question::by_tcp(&other.instance, SWITCH, &question)?.is_some(),
        "another session has no connection"
    );
    drop(held);
    net.session.close().await?;
    other.session.close().await
}
