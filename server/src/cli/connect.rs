//! `sandlot connect`: a TCP port of a session's machine, at an address of this computer.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use clap::Args;
use futures_util::{SinkExt, StreamExt};
use reqwest::header::{
    CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::config::limits;

/// What to connect with what.
#[derive(Debug, Args)]
pub(super) struct ConnectArguments {
    /// Address of the session's page
    url: String,
    /// Port of the machine
    port: std::num::NonZeroU16,
    /// The machine, where a session has several
    #[arg(long, value_name = "NAME", default_value = "m1")]
    instance: String,
    /// Address and port of this computer; port 0 takes a free one [default: 127.0.0.1:<PORT>]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
}

type Socket = WebSocketStream<reqwest::Upgraded>;

/// Carries connections until it is interrupted.
///
/// # Errors
/// When the address is none of a session, or this computer's port is taken.
pub(super) fn run(arguments: &ConnectArguments) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(listen(arguments))
}

async fn listen(arguments: &ConnectArguments) -> Result<()> {
    crate::tls::use_ring();
    let target = target(arguments)?;
    let client = reqwest::Client::builder().http1_only().build()?;
    let own = arguments.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], arguments.port.get())));
    let listener = TcpListener::bind(own)
        .await
        .with_context(|| format!("listen on {own} (choose another with --listen)"))?;
    let (instance, port) = (&arguments.instance, arguments.port);
    super::print_line(&format!("{} is port {port} of {instance}", listener.local_addr()?))?;
    loop {
        let (stream, _) = listener.accept().await?;
        let (client, target) = (client.clone(), target.clone());
        tokio::spawn(async move {
            if let Err(error) = carry(&client, target, stream).await {
                // One connection failed; the others go on.
                super::fail(&error);
            }
        });
    }
}

fn target(arguments: &ConnectArguments) -> Result<reqwest::Url> {
    let mut url: reqwest::Url = arguments.url.parse().context("read the address of the session")?;
    let is_session = url.path().starts_with("/s/");
    ensure!(
        is_session,
        "the address of a session looks like http://HOST/s/SECRET; copy it from the page's menu"
    );
    let path = format!("{}/connect", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url.set_query(Some(&format!("instance={}&port={}", arguments.instance, arguments.port)));
    url.set_fragment(None);
    Ok(url)
}

async fn carry(client: &reqwest::Client, target: reqwest::Url, stream: TcpStream) -> Result<()> {
    let socket = open(client, target).await?;
    let (read, write) = stream.into_split();
    let (sink, messages) = socket.split();
    let (up, down) = tokio::join!(upwards(read, sink), downwards(messages, write));
    up.and(down)
}

/// The upgrade is made by the HTTP client, so that TLS, authorities and proxies are the same as everywhere.
async fn open(client: &reqwest::Client, target: reqwest::Url) -> Result<Socket> {
    let headers: HeaderMap = [
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (UPGRADE, HeaderValue::from_static("websocket")),
        (SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
        (SEC_WEBSOCKET_KEY, HeaderValue::from_str(&generate_key())?),
    ]
    .into_iter()
    .collect();
    // The address is a secret: it stands in no message.
    let answer = client.get(target).headers(headers).send().await.map_err(reqwest::Error::without_url)?;
    if answer.status() != reqwest::StatusCode::SWITCHING_PROTOCOLS {
        let problem: serde_json::Value = answer.json().await.unwrap_or_default();
        let detail = problem["detail"].as_str().unwrap_or("there is no session at this address");
        anyhow::bail!("connect: {detail}");
    }
    let upgraded = answer.upgrade().await.map_err(reqwest::Error::without_url)?;
    Ok(WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await)
}

async fn upwards(
    mut read: OwnedReadHalf,
    mut sink: futures_util::stream::SplitSink<Socket, Message>,
) -> Result<()> {
    let mut buffer = vec![0; limits::TUNNEL_MESSAGE_BYTES];
    loop {
        let count = read.read(&mut buffer).await?;
        sink.send(Message::binary(buffer.get(..count).unwrap_or_default().to_vec())).await?;
        if count == 0 {
            return Ok(());
        }
    }
}

async fn downwards(
    mut messages: futures_util::stream::SplitStream<Socket>,
    mut write: OwnedWriteHalf,
) -> Result<()> {
    while let Some(message) = messages.next().await {
        match message? {
            Message::Binary(bytes) if bytes.is_empty() => break,
            Message::Binary(bytes) => write.write_all(&bytes).await?,
            Message::Close(_) => break,
            _ => {}
        }
    }
    Ok(write.shutdown().await?)
}
