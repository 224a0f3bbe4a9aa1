//! What a thousand websockets through the proxy cost in memory while nothing is said on them.

use anyhow::{Context, Result, ensure};
use sandlot_tests::port::resident_kib;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::ground::{Ground, host_of};

const SOCKETS: u64 = 1000;
const SWITCHED: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";

pub(super) async fn measure(ground: &Ground) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let host = host_of(&ground.session, listener.local_addr()?.port()).await?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(switch(stream));
        }
    });
    let pid = ground.serve_pid().context("serve does not run")?;
    let before = resident_kib(pid)?;
    let mut open = Vec::new();
    for _ in 0..SOCKETS {
        let mut stream = TcpStream::connect(ground.own.address).await?;
        let head =
            format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        let mut answer = [0; 1024];
        let count = stream.read(&mut answer).await?;
        ensure!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer[..count]));
        // A byte each way, so that nothing is still on its way to its first use.
        stream.write_all(b"x").await?;
        ensure!(stream.read(&mut answer).await? == 1, "no byte came back");
        open.push(stream);
    }
    let grown = resident_kib(pid)?.saturating_sub(before);
    let each = grown / SOCKETS;
    Ok(format!("proxy: {} idle websockets       {grown} KiB of serve, {each} KiB each", open.len()))
}

async fn switch(mut stream: TcpStream) {
    let mut buffer = [0; 1024];
    if stream.read(&mut buffer).await.is_err() || stream.write_all(SWITCHED).await.is_err() {
        return;
    }
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(buffer.get(..count).unwrap_or_default()).await.is_err() {
            return;
        }
    }
}
