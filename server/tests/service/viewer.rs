//! A viewer of a terminal, at the websocket.

use anyhow::{Context, Result, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::PATIENCE;

/// A viewer that acknowledges everything, unless told not to.
pub(crate) struct Viewer {
    pub(crate) socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub(crate) output: Vec<u8>,
    pub(crate) first: Option<u64>,
    pub(crate) controls: Vec<Value>,
    pub(crate) closed: Option<u16>,
    pub(crate) acknowledges: bool,
    pub(crate) snapshots: usize,
    /// Offset after the last frame, as the server counts.
    pub(crate) position: u64,
}

impl Viewer {
    pub(crate) async fn connect(url: &str) -> Result<Self> {
        let (socket, _) = tokio_tungstenite::connect_async(url).await?;
        Ok(Self {
            socket,
            output: Vec::new(),
            first: None,
            controls: Vec::new(),
            closed: None,
            acknowledges: true,
            snapshots: 0,
            position: 0,
        })
    }

    pub(crate) async fn send(&mut self, frame: &[u8]) -> Result<()> {
        let sent = tokio::time::timeout(PATIENCE, self.socket.send(Message::binary(frame.to_vec()))).await;
        Ok(sent.context("the server takes no frame")??)
    }

    pub(crate) async fn input(&mut self, text: &str) -> Result<()> {
        self.send(&[&[0x11], text.as_bytes()].concat()).await
    }

    pub(crate) fn offset(&self) -> u64 {
        self.first.unwrap_or(0) + self.output.len() as u64
    }

    /// Takes one frame; false once closed.
    pub(crate) async fn step(&mut self) -> Result<bool> {
        let next =
            tokio::time::timeout(PATIENCE, self.socket.next()).await.context("nothing came in time")?;
        match next {
            Some(Ok(Message::Binary(frame))) => self.take(&frame).await?,
            Some(Ok(Message::Close(close))) => {
                self.closed = Some(close.map_or(1005, |close| close.code.into()));
                return Ok(false);
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => bail!("{error}"),
            None => bail!("closed without a close frame"),
        }
        Ok(true)
    }

    pub(crate) async fn take(&mut self, frame: &[u8]) -> Result<()> {
        match frame {
            [0x03, json @ ..] => self.controls.push(serde_json::from_slice(json)?),
            [0x01, rest @ ..] => {
                let (offset, bytes) = split_offset(rest)?;
                ensure!(self.first.is_none() || offset == self.offset(), "a gap at {offset}");
                self.first.get_or_insert(offset);
                self.output.extend_from_slice(bytes);
                self.acknowledge(offset + bytes.len() as u64).await;
            }
            [0x02, rest @ ..] => {
                let (offset, bytes) = split_offset(rest)?;
                self.snapshots += 1;
                self.output = bytes.to_vec();
                self.first = Some(offset - bytes.len() as u64);
                self.acknowledge(offset).await;
            }
            other => bail!("frame {other:?}"),
        }
        Ok(())
    }

    pub(crate) async fn acknowledge(&mut self, offset: u64) {
        self.position = offset;
        if self.acknowledges {
            // The server may have closed meanwhile.
            drop(self.send(&[&[0x12], &offset.to_be_bytes()[..]].concat()).await);
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }

    pub(crate) async fn expect(&mut self, text: &str) -> Result<()> {
        // Of the whole wait: the server's pings end that of a single frame.
        let wait = tokio::time::timeout(4 * PATIENCE, self.wait_for(text)).await;
        wait.unwrap_or_else(|_| bail!("it did not come in time"))
            .with_context(|| format!("waited for {text:?}, have {:?}", self.text()))
    }

    pub(crate) async fn wait_for(&mut self, text: &str) -> Result<()> {
        while !self.text().contains(text) {
            let open = self.step().await?;
            ensure!(open, "closed with {:?}", self.closed);
        }
        Ok(())
    }

    pub(crate) async fn close_code(&mut self) -> Result<u16> {
        while self.step().await? {}
        self.closed.context("no close code")
    }

    pub(crate) fn control(&self, kind: &str) -> Option<&Value> {
        self.controls.iter().rev().find(|control| control["type"] == kind)
    }
}

pub(crate) fn split_offset(frame: &[u8]) -> Result<(u64, &[u8])> {
    let (offset, bytes) = frame.split_at_checked(8).context("no offset")?;
    Ok((u64::from_be_bytes(offset.try_into()?), bytes))
}
