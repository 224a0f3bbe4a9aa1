//! The first bytes of a connection to a port that speaks TLS.

use std::io;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::limits;
use crate::shutdown::Shutdown;

/// The first byte of a TLS handshake: the type of its record (RFC 8446, 5.1). No request of HTTP begins so.
const HANDSHAKE: u8 = 22;

/// What a client turns out to speak.
pub(super) enum Opened {
    /// HTTP/1.1 over TLS.
    Http1(Box<TlsStream<TcpStream>>),
    /// HTTP/2 over TLS, as both have agreed (ALPN).
    Http2(Box<TlsStream<TcpStream>>),
    /// No TLS; nothing has been read yet.
    Plain(TcpStream),
}

/// Opens a connection; `None` when it came to nothing, which is told to nobody: scanners do that all day.
pub(super) async fn open(tls: &TlsAcceptor, stream: TcpStream, shutdown: &Shutdown) -> Option<Opened> {
    let opened = tokio::select! {
        opened = tokio::time::timeout(limits::HANDSHAKE_TIME, greet(tls, stream)) => opened,
        () = shutdown.begun() => return None,
    };
    match opened {
        Ok(Ok(opened)) => Some(opened),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a handshake failed");
            None
        }
        Err(_elapsed) => {
            tracing::debug!("a handshake took too long");
            None
        }
    }
}

async fn greet(tls: &TlsAcceptor, stream: TcpStream) -> io::Result<Opened> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 1 && first != [HANDSHAKE] {
        return Ok(Opened::Plain(stream));
    }
    let stream = Box::new(tls.accept(stream).await?);
    match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Ok(Opened::Http2(stream)),
        _ => Ok(Opened::Http1(stream)),
    }
}
