//! As much of HTTP/2 (RFC 9113) as it takes to send a request that no client library sends.

use anyhow::{Result, bail};
use sandlot_tests::wait::PATIENCE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const END: u8 = 7;
/// `END_HEADERS`, and `END_STREAM` with it.
const WHOLE_HEAD: u8 = 0x4;
const LAST: u8 = 0x1;

pub(super) struct Connection(TlsStream<TcpStream>);

impl Connection {
    pub(super) async fn begin(mut stream: TlsStream<TcpStream>) -> Result<Self> {
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
        let mut connection = Self(stream);
        connection.send(SETTINGS, 0, 0, &[]).await?;
        Ok(connection)
    }

    /// A head, each field as a literal that nobody keeps (RFC 7541, section 6.2.2). A `GET` is complete with it.
    pub(super) async fn request(&mut self, stream: u8, fields: &[(&str, &str)]) -> Result<()> {
        let mut head = Vec::new();
        for (name, value) in fields {
            head.push(0);
            for text in [name, value] {
                head.push(u8::try_from(text.len())?);
                head.extend(text.bytes());
            }
        }
        let is_get = fields.contains(&(":method", "GET"));
        self.send(HEADERS, WHOLE_HEAD | if is_get { LAST } else { 0 }, stream, &head).await
    }

    /// Whether a stream is reset, or gets a head.
    pub(super) async fn is_refused(&mut self, stream: u8) -> Result<bool> {
        loop {
            match tokio::time::timeout(PATIENCE, self.receive()).await?? {
                (HEADERS, number) if number == stream => return Ok(false),
                (RESET, number) if number == stream => return Ok(true),
                (END, _) => bail!("the connection was ended"),
                _ => {}
            }
        }
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u8, content: &[u8]) -> Result<()> {
        let [_, high, middle, low] = u32::try_from(content.len())?.to_be_bytes();
        let frame = [&[high, middle, low, kind, flags, 0, 0, 0, stream], content].concat();
        Ok(self.0.write_all(&frame).await?)
    }

    /// Kind and stream of the next frame.
    async fn receive(&mut self) -> Result<(u8, u8)> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await?;
        let [high, middle, low, kind, .., stream] = head;
        let mut content = vec![0; u32::from_be_bytes([0, high, middle, low]) as usize];
        self.0.read_exact(&mut content).await?;
        Ok((kind, stream))
    }
}
