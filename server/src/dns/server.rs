//! Datagrams and connections of one session's instances. What is about names beyond the session waits apart, so that it
//! holds up nothing else.

use std::net::{SocketAddr, TcpListener as StdListener, UdpSocket as StdUdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::answer::{self, Answer};
use super::{Forward, Zone};
use crate::config::limits;

/// Who answers.
#[derive(Debug)]
pub struct Names {
    /// For the session's own names.
    pub zone: Arc<Zone>,
    /// For all others; without it there are none.
    pub forward: Option<Forward>,
}

impl Names {
    async fn answer(&self, bytes: &[u8], in_datagram: bool) -> Option<Vec<u8>> {
        match answer::answer(&self.zone, bytes, in_datagram) {
            Answer::Nothing => None,
            Answer::Now(bytes) => Some(bytes),
            Answer::Beyond(query) => {
                let response = match &self.forward {
                    Some(forward) => forward.answer(&query).await,
                    None => answer::unknown(&query),
                };
                answer::encode(&query, &response, in_datagram)
            }
        }
    }
}

/// Answers until the caller drops it, or the sockets break. They came from the supervisor, and do not block.
///
/// # Errors
/// When they cannot be used.
pub async fn serve(names: Arc<Names>, udp: OwnedFd, tcp: OwnedFd) -> std::io::Result<()> {
    let udp = Arc::new(UdpSocket::from_std(StdUdpSocket::from(udp))?);
    let tcp = TcpListener::from_std(StdListener::from(tcp))?;
    tokio::select! {
        ended = datagrams(&names, &udp) => ended,
        ended = connections(&names, &tcp) => ended,
    }
}

/// The buffer is on the stack of the turn, so that a session that asks nothing holds none.
async fn datagrams(names: &Arc<Names>, udp: &Arc<UdpSocket>) -> std::io::Result<()> {
    let mut waiting = tokio::task::JoinSet::new();
    loop {
        udp.readable().await?;
        let mut bytes = [0; limits::DNS_DATAGRAM_BYTES];
        let (length, from) = match udp.try_recv_from(&mut bytes) {
            Ok(received) => received,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        };
        while waiting.try_join_next().is_some() {}
        let query = bytes.get(..length).unwrap_or_default();
        match answer::answer(&names.zone, query, true) {
            Answer::Nothing => {}
            Answer::Now(answer) => send(udp, &answer, from),
            // Beyond the bound a question is lost, as datagrams may be.
            Answer::Beyond(_) if waiting.len() < limits::DNS_FORWARDED => {
                let (names, udp, query) = (Arc::clone(names), Arc::clone(udp), query.to_vec());
                waiting.spawn(async move {
                    if let Some(answer) = names.answer(&query, true).await {
                        send(&udp, &answer, from);
                    }
                });
            }
            Answer::Beyond(_) => {}
        }
    }
}

/// What does not fit into the socket's queue is lost, as datagrams may be: the instance asks again.
fn send(udp: &UdpSocket, answer: &[u8], to: SocketAddr) {
    if let Err(error) = udp.try_send_to(answer, to) {
        tracing::debug!(%error, "answer a query for a name");
    }
}

async fn connections(names: &Arc<Names>, tcp: &TcpListener) -> std::io::Result<()> {
    let room = Arc::new(Semaphore::new(limits::DNS_CONNECTIONS));
    let mut all = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = tcp.accept().await?;
        while all.try_join_next().is_some() {}
        // Beyond the bound a connection is closed at once.
        if let Ok(place) = Arc::clone(&room).try_acquire_owned() {
            let names = Arc::clone(names);
            all.spawn(async move {
                let _place = place;
                // Who breaks off needs no answer.
                drop(connection(&names, stream).await);
            });
        }
    }
}

/// Queries with their length before them (RFC 1035, section 4.2.2), until the peer is silent for a while.
async fn connection(names: &Names, mut stream: TcpStream) -> std::io::Result<()> {
    loop {
        let query = timeout(limits::DNS_CONNECTION_TIME, receive(&mut stream)).await??;
        let Some(answer) = names.answer(&query, false).await else { return Ok(()) };
        let length = u16::try_from(answer.len()).unwrap_or(u16::MAX).to_be_bytes();
        let whole = [&length, answer.as_slice()].concat();
        timeout(limits::DNS_CONNECTION_TIME, stream.write_all(&whole)).await??;
    }
}

async fn receive(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let length = usize::from(stream.read_u16().await?);
    if length > limits::DNS_DATAGRAM_BYTES {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    let mut query = vec![0; length];
    stream.read_exact(&mut query).await?;
    Ok(query)
}
