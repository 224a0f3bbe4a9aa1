//! A client of the terminal websocket (server/PROTOCOL.md) that keeps every byte under its offset.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::http::Uri;

use crate::authority::Authority;
use crate::wait::PATIENCE;

const OUTPUT: u8 = 0x01;
const SNAPSHOT: u8 = 0x02;
const CONTROL: u8 = 0x03;
const INPUT: u8 = 0x11;
const ACK: u8 = 0x12;
const RESIZE: u8 = 0x13;

/// One message from the server.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// Output bytes from this offset on.
    Output(u64, Vec<u8>),
    /// A fresh screen; the stream goes on at this offset.
    Snapshot(u64, Vec<u8>),
    /// A control message.
    Control(Value),
    /// The connection was closed with this code and reason.
    Closed(u16, String),
}

/// What a websocket runs over.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug> Stream for T {}

/// One viewer's connection.
#[derive(Debug)]
pub struct Terminal {
    socket: WebSocketStream<Box<dyn Stream>>,
    /// Everything received, from `first` on.
    pub output: Vec<u8>,
    /// Offset of the first byte of `output`.
    pub first: u64,
    /// Every control message received.
    pub controls: Vec<Value>,
    /// Where [`Terminal::expect`] goes on searching.
    searched: usize,
}

impl Terminal {
    /// Connects to a `ws_url`.
    ///
    /// # Errors
    /// When the upgrade is refused.
    pub async fn connect(ws_url: &str) -> Result<Self> {
        let uri: Uri = ws_url.parse()?;
        let (host, port) = (uri.host().context("no host")?, uri.port_u16().unwrap_or(80));
        let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
        stream.set_nodelay(true)?;
        Self::over(ws_url, Box::new(stream)).await
    }

    /// As [`Terminal::connect`], over TLS, to this machine whatever the host is called.
    ///
    /// # Errors
    /// When the handshake fails or the upgrade is refused.
    pub async fn connect_secure(ws_url: &str, authority: &Authority) -> Result<Self> {
        let uri: Uri = ws_url.parse()?;
        let host = uri.host().context("no host")?.to_owned();
        let stream = TcpStream::connect(("127.0.0.1", uri.port_u16().unwrap_or(443))).await?;
        stream.set_nodelay(true)?;
        let stream = authority.connector(&["http/1.1"])?.connect(host.try_into()?, stream).await?;
        Self::over(ws_url, Box::new(stream)).await
    }

    async fn over(ws_url: &str, stream: Box<dyn Stream>) -> Result<Self> {
        let (socket, _) = tokio_tungstenite::client_async(ws_url, stream).await?;
        Ok(Self { socket, output: Vec::new(), first: 0, controls: Vec::new(), searched: 0 })
    }

    /// The next frame; output is acknowledged and kept, and must follow without gap or overlap.
    ///
    /// # Errors
    /// When the connection breaks or bytes are missing or doubled.
    pub async fn next(&mut self) -> Result<Frame> {
        let frame = self.next_unacknowledged().await?;
        if let Frame::Output(..) | Frame::Snapshot(..) = frame {
            // Where the server has closed already, what it sent before is still to be read.
            drop(self.acknowledge().await);
        }
        Ok(frame)
    }

    /// As [`Terminal::next`], without the acknowledgement: a viewer that reads and never says so.
    ///
    /// # Errors
    /// As [`Terminal::next`].
    pub async fn next_unacknowledged(&mut self) -> Result<Frame> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Binary(bytes))) => return self.take(&bytes),
                Some(Ok(Message::Close(close))) => {
                    let (code, reason) =
                        close.map_or((1005, String::new()), |c| (c.code.into(), c.reason.to_string()));
                    return Ok(Frame::Closed(code, reason));
                }
                Some(Ok(Message::Text(text))) => bail!("a text frame: {text}"),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Ok(Frame::Closed(1006, String::new())),
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<Frame> {
        let (opcode, rest) = bytes.split_first().context("an empty frame")?;
        match *opcode {
            CONTROL => {
                let control: Value = serde_json::from_slice(rest)?;
                self.controls.push(control.clone());
                Ok(Frame::Control(control))
            }
            OUTPUT | SNAPSHOT => {
                let (offset, data) = rest.split_at_checked(8).context("a frame without its offset")?;
                let offset = u64::from_be_bytes(offset.try_into()?);
                if *opcode == SNAPSHOT || (self.output.is_empty() && self.first == 0) {
                    self.first = offset;
                }
                if *opcode == SNAPSHOT {
                    self.output.clear();
                    self.searched = 0;
                    return Ok(Frame::Snapshot(offset, data.to_vec()));
                }
                ensure!(offset == self.offset(), "output at {offset}, expected {}", self.offset());
                self.output.extend_from_slice(data);
                Ok(Frame::Output(offset, data.to_vec()))
            }
            other => bail!("unknown opcode {other:#x}"),
        }
    }

    /// Offset after the last byte received.
    pub fn offset(&self) -> u64 {
        self.first + self.output.len() as u64
    }

    /// Acknowledges everything received.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn acknowledge(&mut self) -> Result<()> {
        let offset = self.offset();
        self.send(ACK, &offset.to_be_bytes()).await
    }

    /// Types bytes.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn input(&mut self, bytes: &[u8]) -> Result<()> {
        self.send(INPUT, bytes).await
    }

    /// Changes the size.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn resize(&mut self, rows: u16, cols: u16) -> Result<()> {
        let [a, b] = rows.to_be_bytes();
        let [c, d] = cols.to_be_bytes();
        self.send(RESIZE, &[a, b, c, d]).await
    }

    /// Sends one binary frame, whatever its content.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn send(&mut self, opcode: u8, payload: &[u8]) -> Result<()> {
        let mut frame = Vec::with_capacity(1 + payload.len());
        frame.push(opcode);
        frame.extend_from_slice(payload);
        Ok(self.socket.send(Message::binary(frame)).await?)
    }

    /// Reads until `text` has appeared in the output that no earlier call has matched; returns what came before it.
    ///
    /// # Errors
    /// When it does not appear in time, or the connection is closed first.
    pub async fn expect(&mut self, text: &str) -> Result<String> {
        tokio::time::timeout(PATIENCE, self.find(text))
            .await
            .unwrap_or_else(|_| bail!("waited for `{text}`"))
            .with_context(|| format!("output so far: {:?}", self.text()))
    }

    async fn find(&mut self, text: &str) -> Result<String> {
        loop {
            let fresh = self.output.get(self.searched..).unwrap_or_default();
            if let Some(at) = fresh.windows(text.len().max(1)).position(|w| w == text.as_bytes()) {
                let before = String::from_utf8_lossy(fresh.get(..at).unwrap_or_default()).into_owned();
                self.searched += at + text.len();
                return Ok(before);
            }
            if let Frame::Closed(code, reason) = self.next().await? {
                bail!("closed with {code} `{reason}`");
            }
        }
    }

    /// Waits for a control message of this type.
    ///
    /// # Errors
    /// When it does not come in time, or the connection is closed first.
    pub async fn control(&mut self, name: &str) -> Result<Value> {
        let wanted = |c: &Value| c.get("type").and_then(Value::as_str) == Some(name);
        if let Some(found) = self.controls.iter().find(|c| wanted(c)) {
            return Ok(found.clone());
        }
        tokio::time::timeout(PATIENCE, async {
            loop {
                match self.next().await? {
                    Frame::Control(control) if wanted(&control) => return Ok(control),
                    Frame::Closed(code, reason) => bail!("closed with {code} `{reason}`"),
                    _ => {}
                }
            }
        })
        .await
        .unwrap_or_else(|_| bail!("waited for control message `{name}`"))
    }

    /// Waits until the server closes the connection; returns code and reason.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn closed(&mut self, patience: Duration) -> Result<(u16, String)> {
        tokio::time::timeout(patience, async {
            loop {
                if let Frame::Closed(code, reason) = self.next().await? {
                    return Ok((code, reason));
                }
            }
        })
        .await
        .unwrap_or_else(|_| bail!("waited for the server to close the connection"))
    }

    /// The output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }
}
