//! What stands behind a front in place of a node, to see how things come through: one request a connection.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use futures_util::stream;
use sandlot_tests::api::Api;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// Size of the upload, and how much of it is sent before anything of it must have arrived.
const UPLOAD: usize = 10 << 20;
const PIECE: usize = 1 << 20;

/// It runs as long as the test does.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    /// Lets the second event out.
    pub(crate) go_on: Arc<Notify>,
    /// The first bytes of the upload have come.
    arrived: Arc<Notify>,
}

impl Upstream {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let upstream =
            Self { address: listener.local_addr()?, go_on: Arc::default(), arrived: Arc::default() };
        let (go_on, arrived) = (Arc::clone(&upstream.go_on), Arc::clone(&upstream.arrived));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (go_on, arrived) = (Arc::clone(&go_on), Arc::clone(&arrived));
                // A front may also open a connection and send nothing.
                tokio::spawn(async move { drop(answer(stream, &go_on, &arrived).await) });
            }
        });
        Ok(upstream)
    }

    /// Sends 10 MiB, all but the first only after the first has come through; gives what the answer says.
    pub(crate) async fn upload(&self, api: &Api, url: &str) -> Result<String> {
        let arrived = Arc::clone(&self.arrived);
        let pieces = stream::unfold(0, move |sent| {
            let arrived = Arc::clone(&arrived);
            async move {
                if sent == PIECE {
                    arrived.notified().await;
                }
                (sent < UPLOAD).then(|| (Ok::<_, std::io::Error>(vec![7_u8; PIECE]), sent + PIECE))
            }
        });
        let request = api.http().post(format!("{url}/upload")).header("content-length", UPLOAD);
        Ok(request.body(reqwest::Body::wrap_stream(pieces)).send().await?.text().await?)
    }
}

async fn answer(stream: TcpStream, go_on: &Notify, arrived: &Notify) -> Result<()> {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let start = |kind: &str| format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n");
    match head.split(' ').nth(1).context("no path")? {
        "/events" => {
            stream.write_all((start("text/event-stream") + "data: 1\n\n").as_bytes()).await?;
            go_on.notified().await;
            stream.write_all(b"data: 2\n\n").await?;
        }
        "/upload" => {
            let received = receive(&mut stream, arrived).await?;
            stream.write_all((start("text/plain") + &received.to_string()).as_bytes()).await?;
        }
        _ => stream.write_all((start("text/plain") + &head).as_bytes()).await?,
    }
    Ok(stream.shutdown().await?)
}

async fn receive(stream: &mut BufReader<TcpStream>, arrived: &Notify) -> Result<usize> {
    let mut received = stream.read(&mut [0; 1]).await?;
    arrived.notify_one();
    let mut buffer = vec![0; 64 * 1024];
    while received < UPLOAD {
        received += stream.read(&mut buffer).await?;
    }
    Ok(received)
}
