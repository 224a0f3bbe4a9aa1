//! Questions to name servers, as programs inside ask them.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result};
use hickory_resolver::proto::op::{Message, Query};
use hickory_resolver::proto::rr::{Name, RecordType};
use sandlot_tests::place::Place;
use sandlot_tests::wait::PATIENCE;

/// The session's own.
pub(crate) const SWITCH: &str = "10.99.0.1:53";
/// The internet's.
pub(crate) const WORLD: &str = "203.0.113.1:53";
/// Bytes of the largest answer.
const LARGEST: usize = 65_536;

/// One question.
pub(crate) fn about(name: &str, kind: RecordType) -> Result<Message> {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(format!("{name}."))?, kind));
    Ok(message)
}

/// A socket of a place that talks to one server.
pub(crate) struct Client(pub(crate) UdpSocket);

impl Client {
    pub(crate) fn new(place: &Place, server: &str) -> Result<Self> {
        let socket = place.within(|| {
            let socket = UdpSocket::bind("0.0.0.0:0")?;
            socket.connect(server)?;
            Ok(socket)
        })?;
        socket.set_read_timeout(Some(Duration::from_secs(5)))?;
        Ok(Self(socket))
    }

    /// The answer; asks again where none comes.
    pub(crate) fn ask(&self, question: &Message) -> Result<Message> {
        let mut last = None;
        for _ in 0..3 {
            self.0.send(&question.to_vec()?)?;
            match self.answer_to(question) {
                Ok(answer) => return Ok(answer),
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("no attempt")?)
    }

    /// What comes for others is passed over.
    fn answer_to(&self, question: &Message) -> Result<Message> {
        let mut bytes = vec![0; LARGEST];
        loop {
            let length = self.0.recv(&mut bytes).with_context(|| {
                format!("no answer from {:?} to {:?}", self.0.peer_addr(), question.queries)
            })?;
            let answer = Message::from_vec(&bytes[..length])?;
            if answer.metadata.id == question.metadata.id {
                return Ok(answer);
            }
        }
    }

    /// Addresses and names that the server tells of a name.
    pub(crate) fn told(&self, name: &str, kind: RecordType) -> Result<Vec<String>> {
        let answer = self.ask(&about(name, kind)?)?;
        Ok(answer.answers.iter().map(|record| record.data.to_string()).collect())
    }
}

/// What comes of these bytes by a connection: an answer, or its end.
pub(crate) fn by_tcp(place: &Place, server: &str, query: &[u8]) -> Result<Option<Message>> {
    let mut stream = place.within(|| Ok(TcpStream::connect(server)?))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&[&u16::try_from(query.len())?.to_be_bytes(), query].concat())?;
    let mut length = [0; 2];
    if stream.read_exact(&mut length).is_err() {
        return Ok(None);
    }
    let mut answer = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut answer)?;
    Ok(Some(Message::from_vec(&answer)?))
}
