//! `sandlot connect`: a TCP port of a session's machine, at an address of this computer.

mod failure;
mod target;

use std::net::SocketAddr;

use anyhow::{Context, Result};
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
use target::Target;

/// A site that takes no connection in this time is not there.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// What to connect with what.
#[derive(Debug, Args)]
pub(super) struct ConnectArguments {
    /// Address of the session's page
    url: String,
    /// Port of the machine
    #[arg(value_parser = target::port)]
    port: std::num::NonZeroU16,
    /// The machine, where a session has several
    #[arg(long, value_name = "NAME", default_value = "m1")]
    instance: String,
    /// Address and port of this computer; port 0 takes a free one [default: 127.0.0.1:<PORT>]
    #[arg(long, value_name = "ADDR:PORT", value_parser = target::listen)]
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
    let target = Target::parse(&arguments.url)?;
    let names = crate::registry::all_addresses().context("look names up")?;
    let client = reqwest::Client::builder()
        .http1_only()
        .dns_resolver(std::sync::Arc::new(names))
        .connect_timeout(PATIENCE)
        .build()?;
    greet(&client, &target).await?;
    let own = arguments.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], arguments.port.get())));
    let listener = TcpListener::bind(own)
        .await
        .with_context(|| format!("listen on {own} (choose another with --listen)"))?;
    let (instance, port) = (&arguments.instance, arguments.port);
    super::print_line(&format!("{} is port {port} of {instance}", listener.local_addr()?))?;
    loop {
        let (stream, _) = listener.accept().await?;
        let (client, target) = (client.clone(), target.clone());
        let url = target.port(instance, port);
        tokio::spawn(async move {
            if let Err(error) = carry(&client, (&target, url), stream).await {
                // One connection failed; the others go on.
                super::fail(&error);
            }
        });
    }
}

/// Whether the session is there, before anything is promised.
async fn greet(client: &reqwest::Client, target: &Target) -> Result<()> {
    let place = target.place();
    let answer = client.get(target.page()).send().await.map_err(|error| failure::said(&place, error))?;
    if answer.status().is_success() { Ok(()) } else { Err(failure::refused(&place, answer).await) }
}

async fn carry(client: &reqwest::Client, to: (&Target, reqwest::Url), stream: TcpStream) -> Result<()> {
    let socket = open(client, to).await?;
    let (read, write) = stream.into_split();
    let (sink, messages) = socket.split();
    let (up, down) = tokio::join!(upwards(read, sink), downwards(messages, write));
    up.and(down)
}

/// The upgrade is made by the HTTP client, so that TLS, authorities and proxies are the same as everywhere.
async fn open(client: &reqwest::Client, (target, url): (&Target, reqwest::Url)) -> Result<Socket> {
    let headers: HeaderMap = [
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (UPGRADE, HeaderValue::from_static("websocket")),
        (SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
        (SEC_WEBSOCKET_KEY, HeaderValue::from_str(&generate_key())?),
    ]
    .into_iter()
    .collect();
    let place = target.place();
    let answer = client.get(url).headers(headers).send().await;
    let answer = answer.map_err(|error| failure::said(&place, error))?;
    if answer.status() != reqwest::StatusCode::SWITCHING_PROTOCOLS {
        return Err(failure::refused(&place, answer).await);
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
