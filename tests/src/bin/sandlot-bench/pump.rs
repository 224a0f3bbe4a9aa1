//! The floor of a terminal: a bare PTY -> websocket pump that gathers 64 KiB, with no credit, ring or container.

use std::io::{Read, Write};
use std::net::SocketAddr;

use anyhow::{Context, Result};
use futures_util::{SinkExt, StreamExt};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

/// A running pump; each connection gets a shell of its own.
#[derive(Debug)]
pub(crate) struct Pump {
    address: SocketAddr,
}

impl Pump {
    /// Starts listening.
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
        Ok(Self { address })
    }

    /// Where viewers connect.
    pub(crate) fn url(&self) -> String {
        format!("ws://{}/", self.address)
    }
}

/// Pumps one shell until either side is gone.
async fn serve(stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let (mut sender, mut receiver) = tokio_tungstenite::accept_async(stream).await?.split();
    let pair = native_pty_system().openpty(PtySize { rows: 24, cols: 80, ..PtySize::default() })?;
    let mut shell = CommandBuilder::new("/bin/busybox");
    shell.arg("sh");
    let mut child = pair.slave.spawn_command(shell)?;
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader()?;
    let mut writer = pair.master.take_writer().context("writer of the PTY")?;
    let (chunks, mut output) = mpsc::channel::<Vec<u8>>(4);
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = reader.read(&mut buffer) {
            let chunk = buffer.get(..length).unwrap_or_default().to_vec();
            if chunks.blocking_send(chunk).is_err() {
                break;
            }
        }
    });
    loop {
        tokio::select! {
            Some(chunk) = output.recv() => sender.send(Message::binary(chunk)).await?,
            Some(Ok(message)) = receiver.next() => writer.write_all(&message.into_data())?,
            else => break,
        }
    }
    child.kill()?;
    child.wait()?;
    Ok(())
}
