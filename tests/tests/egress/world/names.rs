//! The internet's name server: it answers what a test tells it to, in datagrams of 512 bytes at most and by TCP.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};

use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::CNAME;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

/// Bytes of a datagram (RFC 1035, section 4.2.1).
const DATAGRAM: usize = 512;
const KNOWN: &[(&str, &str)] = &[
    ("web.example", "198.51.100.10"),
    ("other.example", "198.51.100.20"),
    ("denied.example", "198.51.100.10"),
    ("private.example", "10.20.0.5"),
    ("metadata.example", "169.254.169.254"),
];

/// What names lead to, by the name in lower case; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Names(Arc<Mutex<BTreeMap<String, Told>>>);

/// What is told of one name, and for how many seconds it holds.
type Told = (u32, Vec<RData>);

impl Names {
    pub(crate) fn new() -> Self {
        let names = Self(Arc::default());
        for (name, address) in KNOWN {
            names.set(name, 60, &[address]);
        }
        names
    }

    /// From now on the name leads to these addresses, or to another name, for so many seconds.
    pub(crate) fn set(&self, name: &str, seconds: u32, targets: &[&str]) {
        let data = targets.iter().map(|target| match target.parse::<IpAddr>() {
            Ok(address) => RData::from(address),
            Err(_) => RData::CNAME(CNAME(Name::from_ascii(format!("{target}.")).unwrap())),
        });
        self.0.lock().unwrap().insert(name.to_owned(), (seconds, data.collect()));
    }

    /// Answers for ever, in threads of its own.
    pub(super) fn serve(self) {
        let (udp, tcp) = (UdpSocket::bind("0.0.0.0:53").unwrap(), TcpListener::bind("0.0.0.0:53").unwrap());
        let names = self.clone();
        std::thread::spawn(move || {
            let mut query = [0; 4096];
            while let Ok((length, from)) = udp.recv_from(&mut query) {
                drop(names.answer(&query[..length], true).map(|answer| udp.send_to(&answer, from)));
            }
        });
        std::thread::spawn(move || {
            for stream in tcp.incoming().flatten() {
                let names = self.clone();
                std::thread::spawn(move || drop(names.converse(stream)));
            }
        });
    }

    fn converse(&self, mut stream: TcpStream) -> std::io::Result<()> {
        loop {
            let mut length = [0; 2];
            stream.read_exact(&mut length)?;
            let mut query = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut query)?;
            let answer = self.answer(&query, false).unwrap_or_default();
            stream.write_all(&[&u16::try_from(answer.len()).unwrap().to_be_bytes(), &answer[..]].concat())?;
        }
    }

    fn answer(&self, query: &[u8], in_datagram: bool) -> Option<Vec<u8>> {
        let query = Message::from_vec(query).ok()?;
        let question = query.queries.first()?;
        let mut response = Message::response(query.metadata.id, OpCode::Query);
        response.metadata.recursion_available = true;
        response.add_queries(query.queries.iter().cloned());
        let found = self.find(question.name(), question.query_type(), &mut response);
        response.metadata.response_code = if found { ResponseCode::NoError } else { ResponseCode::NXDomain };
        let bytes = response.to_vec().ok()?;
        if in_datagram && bytes.len() > DATAGRAM {
            return response.truncate().to_vec().ok();
        }
        Some(bytes)
    }

    /// Adds what is known of a name, and of the one that it stands for.
    fn find(&self, name: &Name, kind: RecordType, response: &mut Message) -> bool {
        let text = name.to_lowercase().to_ascii();
        let Some((seconds, all)) = self.0.lock().unwrap().get(text.trim_end_matches('.')).cloned() else {
            return false;
        };
        for data in all {
            let target = match &data {
                RData::CNAME(target) => Some(target.0.clone()),
                _ => None,
            };
            if target.is_some() || data.record_type() == kind {
                response.add_answer(Record::from_rdata(name.clone(), seconds, data));
            }
            if let Some(target) = target {
                self.find(&target, kind, response);
            }
        }
        true
    }
}
