//! Bytes that are no question.

use anyhow::{Context, Result, ensure};
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::RecordType::A;
use sandlot_tests::place::Place;

use super::asked;
use crate::ground::open_ground;
use crate::question::{self, Client, SWITCH, about};

/// Each with the code that its answer has.
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
