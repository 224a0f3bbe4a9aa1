//! Datagrams and connections of one session's instances.

use std::net::{SocketAddr, TcpListener as StdListener, UdpSocket as StdUdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{Zone, answer};
use crate::config::limits;

/// Answers until the caller drops it, or the sockets break. They came from the supervisor, and do not block.
///
/// # Errors
/// When they cannot be used.
pub async fn serve(zone: Arc<Zone>, udp: OwnedFd, tcp: OwnedFd) -> std::io::Result<()> {
    let udp = UdpSocket::from_std(StdUdpSocket::from(udp))?;
    let tcp = TcpListener::from_std(StdListener::from(tcp))?;
    tokio::select! {
        ended = datagrams(&zone, &udp) => ended,
        ended = connections(&zone, &tcp) => ended,
    }
}

/// The buffer is on the stack of the turn, so that a session that asks nothing holds none.
async fn datagrams(zone: &Zone, udp: &UdpSocket) -> std::io::Result<()> {
    loop {
        udp.readable().await?;
        let mut bytes = [0; limits::DNS_DATAGRAM_BYTES];
        let (length, from) = match udp.try_recv_from(&mut bytes) {
            Ok(received) => received,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        };
        let query = bytes.get(..length).unwrap_or_default();
        if let Some(answer) = answer::answer(zone, query, true) {
            send(udp, &answer, from);
        }
    }
}

/// What does not fit into the socket's queue is lost, as datagrams may be: the instance asks again.
fn send(udp: &UdpSocket, answer: &[u8], to: SocketAddr) {
    if let Err(error) = udp.try_send_to(answer, to) {
        tracing::debug!(%error, "answer a query for a name");
    }
}

async fn connections(zone: &Arc<Zone>, tcp: &TcpListener) -> std::io::Result<()> {
    let room = Arc::new(Semaphore::new(limits::DNS_CONNECTIONS));
    let mut all = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = tcp.accept().await?;
        while all.try_join_next().is_some() {}
        // Beyond the bound a connection is closed at once.
        if let Ok(place) = Arc::clone(&room).try_acquire_owned() {
            let zone = Arc::clone(zone);
            all.spawn(async move {
                let _place = place;
                // Who breaks off needs no answer.
                drop(connection(&zone, stream).await);
            });
        }
    }
}

/// Queries with their length before them (RFC 1035, section 4.2.2), until the peer is silent for a while.
async fn connection(zone: &Zone, mut stream: TcpStream) -> std::io::Result<()> {
    loop {
        let query = timeout(limits::DNS_CONNECTION_TIME, receive(&mut stream)).await??;
        let Some(answer) = answer::answer(zone, &query, false) else { return Ok(()) };
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
