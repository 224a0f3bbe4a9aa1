//! The switch's name server: what it tells, to whom, and how.

mod burst;
mod malformed;

use anyhow::{Context, Result, ensure};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::RecordType::{self, A, AAAA, PTR};

use crate::ground::open_ground;
use crate::question::{self, Client, SWITCH, about};

/// What is answered, in whatever case it is asked: the own session's names and addresses, and nobody else's.
const OWN: &[(&str, RecordType, ResponseCode, &[&str])] = &[
    ("db", A, ResponseCode::NoError, &["10.99.0.12"]),
    ("dB", AAAA, ResponseCode::NoError, &["fd53:616e:646c::12"]),
    ("NODE1", A, ResponseCode::NoError, &["10.99.0.11"]),
    ("Gateway", A, ResponseCode::NoError, &["10.99.0.1"]),
    ("12.0.99.10.IN-ADDR.arpa", PTR, ResponseCode::NoError, &["db."]),
    ("1.0.99.10.in-addr.arpa", PTR, ResponseCode::NoError, &["gateway."]),
    (
        "1.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.c.6.4.6.e.6.1.6.3.5.d.f.ip6.arpa",
        PTR,
        ResponseCode::NoError,
        &["web."],
    ),
    ("13.0.99.10.in-addr.arpa", PTR, ResponseCode::NXDomain, &[]),
    ("node3", A, ResponseCode::NXDomain, &[]),
    ("nowhere.example", A, ResponseCode::NXDomain, &[]),
    ("WEB.Example", A, ResponseCode::NoError, &["198.51.100.10"]),
];

fn asked(client: &Client, name: &str, kind: RecordType) -> Result<(ResponseCode, Vec<String>)> {
    let answer = client.ask(&about(name, kind)?)?;
    let told = answer.answers.iter().map(|record| record.data.to_string()).collect();
    Ok((answer.metadata.response_code, told))
}

#[tokio::test]
async fn names_are_the_sessions_own() -> Result<()> {
    let ground = open_ground()?;
    let (pair, other) = (ground.net("pair").await?, ground.net("open").await?);
    let client = Client::new(&pair.instance, SWITCH)?;
    for (name, kind, code, told) in OWN {
        let answer = asked(&client, name, *kind)?;
        ensure!(answer.0 == *code && answer.1 == *told, "{name} {kind}: {answer:?}");
    }
    let stranger = Client::new(&other.instance, SWITCH)?;
    for name in ["web", "db", "node2", "12.0.99.10.in-addr.arpa"] {
        let (code, told) = asked(&stranger, name, if name.ends_with("arpa") { PTR } else { A })?;
        ensure!(
            code == ResponseCode::NXDomain && told.is_empty(),
            "{name} of another session: {code} {told:?}"
        );
    }
    for net in [pair, other] {
        net.session.close().await?;
    }
    Ok(())
}

/// Whoever is told of a session may ask at once: no question is refused because nobody listens yet.
#[tokio::test]
async fn names_are_answered_from_the_first_moment() -> Result<()> {
    let ground = open_ground()?;
    for _ in 0..5 {
        let session = ground.session("pair").await?;
        let (code, text) = session.sh("nslookup db").await?;
        ensure!(code == 0 && text.contains("10.99.0.12"), "{text}");
        session.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_does_not_fit_into_a_datagram_comes_by_tcp() -> Result<()> {
    let ground = open_ground()?;
    let net = ground.net("open").await?;
    let addresses: Vec<String> = (1..=100).map(|last| format!("198.51.100.{last}")).collect();
    let targets: Vec<&str> = addresses.iter().map(String::as_str).collect();
    ground.world.names.set("big.test", 60, &targets);
    let question = about("big.test", A)?;
    let cut = Client::new(&net.instance, SWITCH)?.ask(&question)?;
    ensure!(cut.metadata.truncation && cut.answers.is_empty(), "{cut}");
    let whole = question::by_tcp(&net.instance, SWITCH, &question.to_vec()?)?.context("no answer by TCP")?;
    let denied = 1;
    ensure!(
        !whole.metadata.truncation && whole.answers.len() >= 100 - denied,
        "{} answers",
        whole.answers.len()
    );
    // The instance's own resolver does the same.
    let (code, text) = net.session.sh("ping -c 1 -W 1 big.test | head -n 1").await?;
    ensure!(code == 0 && text.contains("(198.51.100."), "{code} {text}");
    net.session.close().await
}
