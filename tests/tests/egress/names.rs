//! The switch's name server under questions of every kind.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::RecordType::{self, A, AAAA, PTR};
use sandlot_tests::place::Place;

use crate::ground::open_ground;
use crate::question::{self, Client, SWITCH, about};

const BURST: usize = 5000;
/// Questions that wait for their answer at once.
const WINDOW: usize = 100;

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
    let (mut ids, mut bytes) = (std::collections::BTreeSet::new(), [0; 512]);
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

/// Bytes that are no question, each with the code that an answer has.
fn malformed() -> Vec<(&'static str, Vec<u8>, Option<ResponseCode>)> {
    const HEAD: [u8; 12] = [7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    let head = |flags: u8, questions: u8, records: u8| [7, 7, flags, 0, 0, questions, 0, records, 0, 0, 0, 0];
    let with = |head: [u8; 12], rest: &[u8]| [&head[..], rest].concat();
    let db = [2, b'd', b'b', 0, 0, 1, 0, 1];
    let refused = Some(ResponseCode::FormErr);
    vec![
        ("one byte", vec![7], None),
        ("a head that ends early", HEAD[..11].to_vec(), None),
        ("a head alone", HEAD.to_vec(), refused),
        ("no question", head(1, 0, 0).to_vec(), refused),
        ("two questions", with(head(1, 2, 0), &db.repeat(2)), refused),
        ("a hundred questions", with(head(1, 100, 0), &db.repeat(100)), refused),
        ("an answer", with(head(0x81, 1, 0), &db), None),
        ("another operation", with(head(0x11, 1, 0), &db), Some(ResponseCode::NotImp)),
        ("a name that is its own end", with(HEAD, &[0xc0, 12, 0, 1, 0, 1]), refused),
        (
            "two names that are each other's end",
            with(head(1, 2, 0), &[0xc0, 18, 0, 1, 0, 1, 0xc0, 12, 0, 1, 0, 1]),
            refused,
        ),
        ("a name that ends behind the message", with(HEAD, &[0xc3, 0xff, 0, 1, 0, 1]), refused),
        ("a label that ends behind the message", with(HEAD, &[63, b'd', b'b', 0, 0, 1, 0, 1]), refused),
        ("a label of another kind", with(HEAD, &[0x80, 0, 0, 1, 0, 1]), refused),
        (
            "a name of 300 bytes",
            with(HEAD, &[&[1, b'a'].repeat(150)[..], &[0, 0, 1, 0, 1]].concat()),
            refused,
        ),
        ("a record that is not there", with(head(1, 1, 1), &db), refused),
        ("nothing but ones", vec![0xff; 600], None),
    ]
}

/// Bytes without a meaning, the same in each run (a linear congruential generator).
fn noise() -> impl Iterator<Item = Vec<u8>> {
    let mut state = 1_u32;
    let mut next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..500).map(move |length| (0..length).map(|_| next()).collect())
}

#[tokio::test]
async fn no_bytes_disturb_the_name_server() -> Result<()> {
    let ground = open_ground()?;
    let net = ground.net("open").await?;
    let serve = ground.node.serve_pid()?;
    for (what, bytes, code) in malformed() {
        let answers = answers_to(&net.instance, &bytes)?;
        let codes: Vec<ResponseCode> = answers.iter().map(|answer| answer.metadata.response_code).collect();
        let expected: Vec<ResponseCode> = code.into_iter().collect();
        ensure!(codes == expected, "{what}: {codes:?}");
        let by_tcp = question::by_tcp(&net.instance, SWITCH, &bytes)?;
        ensure!(by_tcp.map(|answer| answer.metadata.response_code) == code, "{what}, by TCP");
    }
    let client = Client::new(&net.instance, SWITCH)?;
    for bytes in noise() {
        client.0.send(&bytes)?;
    }
    ensure!(
        asked(&Client::new(&net.instance, SWITCH)?, "node1", A)?.1 == ["10.99.0.11"],
        "no answer after noise"
    );
    ensure!(
        ground.node.serve_pid()? == serve && !ground.node.log().contains("panicked"),
        "{}",
        ground.node.log()
    );
    net.session.close().await
}

/// What comes before the answer to a question that is sent behind the bytes.
fn answers_to(place: &Place, bytes: &[u8]) -> Result<Vec<Message>> {
    let (client, question) = (Client::new(place, SWITCH)?, about("node1", A)?);
    client.0.send(bytes)?;
    client.0.send(&question.to_vec()?)?;
    let (mut answers, mut buffer) = (Vec::new(), [0; 2048]);
    loop {
        let length = client.0.recv(&mut buffer).context("no answer to what came behind")?;
        let answer = Message::from_vec(&buffer[..length])?;
        if answer.metadata.id == question.metadata.id {
            return Ok(answers);
        }
        answers.push(answer);
    }
}
