//! A TCP connection to a port of an instance over a websocket, for `sandlot connect`. PROTOCOL.md describes it.

use std::pin::pin;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::refused;
use crate::app::App;
use crate::auth::origin::Source;
use crate::auth::token::Token;
use crate::config::limits;
use crate::error::{Error, ErrorKind};
use crate::id::InstanceName;
use crate::session::ports::raw::RawPort;

/// The query of an upgrade.
#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    instance: Option<InstanceName>,
    port: u16,
}

/// The proof is the session's own address; the port must take a connection before anything is upgraded.
pub(crate) async fn upgrade(
    State(app): State<App>,
    Path(token): Path<String>,
    Query(target): Query<Target>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Error> {
    if matches!(app.source(&headers), Source::Foreign) {
        return Err(refused(&app, ErrorKind::ForeignOrigin, "A page of another site may not connect."));
    }
    let upgrade =
        upgrade.map_err(|_| Error::new(ErrorKind::Malformed, "This address speaks websocket only."))?;
    let token = Token::presented(&token).ok_or_else(|| Error::not_found("session"))?;
    let owner = app.sessions.prove_by_url(&token).await?;
    let first = sandlot_runtime::supervisor::name::InstanceIndex::try_from(0).map_err(Error::internal)?;
    let instance = target.instance.unwrap_or(first.into());
    let port = app.sessions.connect_port(&owner, instance, target.port).await?;
    let shutdown = app.sessions.parts().shutdown.clone();
    let upgrade = upgrade
        .read_buffer_size(limits::WS_READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(limits::WS_WRITE_BUFFER_BYTES)
        .max_frame_size(limits::WS_MESSAGE_BYTES)
        .max_message_size(limits::WS_MESSAGE_BYTES);
    Ok(upgrade.on_upgrade(async move |socket| shutdown.spawn(carry(socket, port))))
}

/// Until both sides have said that they are at their end, or either breaks.
async fn carry(socket: WebSocket, port: RawPort) {
    let RawPort { stream, shut, pass } = port;
    let (read, write) = stream.into_split();
    let (mut sink, stream) = socket.split();
    let both = async {
        let (mut up, mut down) = (pin!(upwards(stream, write)), pin!(downwards(read, &mut sink)));
        // Upwards goes on until the peer is gone. Whatever breaks, both ends see it, and there is nobody else to tell.
        tokio::select! {
            _ = &mut up => {}
            _ = &mut down => drop(up.await),
        }
    };
    shut.run_until_cancelled(both).await;
    // The peer may be gone.
    drop(tokio::time::timeout(limits::CLOSE_TIME, sink.close()).await);
    drop(pass);
}

async fn upwards(mut stream: SplitStream<WebSocket>, mut port: OwnedWriteHalf) -> std::io::Result<()> {
    while let Some(Ok(message)) = stream.next().await {
        match message {
            Message::Binary(bytes) if bytes.is_empty() => port.shutdown().await?,
            Message::Binary(bytes) => port.write_all(&bytes).await?,
            Message::Close(_) | Message::Text(_) => break,
            Message::Ping(_) | Message::Pong(_) => {}
        }
    }
    port.shutdown().await
}

/// A connection that rests holds no buffer.
async fn downwards(port: OwnedReadHalf, sink: &mut SplitSink<WebSocket, Message>) -> Result<(), axum::Error> {
    while port.readable().await.is_ok() {
        let mut buffer = BytesMut::zeroed(limits::TUNNEL_MESSAGE_BYTES);
        match port.try_read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => sink.send(Message::Binary(buffer.split_to(count).freeze())).await?,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    sink.send(Message::Binary(Bytes::new())).await
}
