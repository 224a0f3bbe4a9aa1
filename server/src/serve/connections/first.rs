//! What a connection begins with, looked at and left where it is.

use tokio::net::TcpStream;

use crate::config::limits;
use crate::proxy::Proxy;

/// Bytes that are looked at, and headers: most requests fit, and others are served as well.
const LOOK_BYTES: usize = 2048;
const LOOK_HEADERS: usize = 64;

/// Whom the first request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    /// A port of an instance.
    Port,
    /// The site, as far as can be told.
    Site,
    /// Nothing came in time.
    None,
}

/// Waits for the first bytes.
pub(super) async fn request(stream: &TcpStream, ports: &Proxy) -> First {
    // Boxed because it is of use for a moment only.
    let mut bytes = Box::new([0; LOOK_BYTES]);
    match tokio::time::timeout(limits::HEAD_TIME, stream.peek(&mut *bytes)).await {
        Ok(Ok(count @ 1..)) => of(bytes.get(..count).unwrap_or_default(), ports),
        _ => First::None,
    }
}

fn of(bytes: &[u8], ports: &Proxy) -> First {
    let mut headers = [httparse::EMPTY_HEADER; LOOK_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    if !request.parse(bytes).is_ok_and(|status| status.is_complete()) {
        return First::Site;
    }
    let host = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("host"));
    let host = host.and_then(|header| std::str::from_utf8(header.value).ok());
    if ports.is_named(host, request.path.unwrap_or_default()) { First::Port } else { First::Site }
}
