//! A name server that answers each question for an IPv4 address with the next one of a list, valid for no time.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

const TYPE_A: [u8; 2] = [0, 1];

pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    asked: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl NameServer {
    /// Answers with these addresses in turn; the last one stays.
    pub(crate) async fn start(answers: Vec<Ipv4Addr>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let asked: Arc<AtomicUsize> = Arc::default();
        let count = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let query = &buffer[..length];
                let is_a = question_type(query) == TYPE_A;
                let turn = if is_a { count.fetch_add(1, Ordering::SeqCst) } else { 0 };
                let address = answers.get(turn).or(answers.last()).copied();
                let reply = answer(query, address.filter(|_| is_a));
                socket.send_to(&reply, from).await.unwrap();
            }
        });
        Self { address, asked, task }
    }

    /// Questions for an IPv4 address so far.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where the question ends: its name, type and class (RFC 1035, section 4.1.2).
fn question_end(query: &[u8]) -> usize {
    let mut at = 12;
    while query[at] != 0 {
        at += usize::from(query[at]) + 1;
    }
    at + 5
}

fn question_type(query: &[u8]) -> [u8; 2] {
    let end = question_end(query);
    [query[end - 4], query[end - 3]]
}

fn answer(query: &[u8], address: Option<Ipv4Addr>) -> Vec<u8> {
    let mut reply = query[..question_end(query)].to_vec();
    // Response, recursion available; one question, at most one answer, nothing else.
    reply[2] |= 0x80;
    reply[3] = 0x80;
    reply[6..12].copy_from_slice(&[0, u8::from(address.is_some()), 0, 0, 0, 0]);
    if let Some(address) = address {
        // The question's name, type A, class IN, time to live 0, four bytes.
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        reply.extend(address.octets());
    }
    reply
}
