//! The receiving half: typed bytes, acknowledgements, sizes.

use std::sync::PoisonError;
use std::time::Instant;

use axum::extract::ws::{Message, WebSocket};
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use sandlot_runtime::supervisor::protocol::Winsize;

use super::close::{Close, CloseCode};
use super::connection::Connection;
use super::frame::{self, Incoming};
use crate::config::limits;

/// Acts on frames until the viewer is gone (`None`) or must be closed.
pub(super) async fn run(stream: &mut SplitStream<WebSocket>, connection: &Connection) -> Option<Close> {
    let mut resizes = Resizes::default();
    loop {
        let message = tokio::select! {
            message = stream.next() => message,
            () = resizes.due() => {
                resizes.apply(connection);
                continue;
            }
        };
        *connection.heard_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        match message {
            Some(Ok(Message::Binary(bytes))) => {
                if let Err(close) = act_on(&bytes, connection, &mut resizes).await {
                    return Some(close);
                }
            }
            Some(Ok(Message::Text(_))) => {
                return Some(Close::new(
                    CloseCode::ProtocolError,
                    "Text frames are not part of this protocol.",
                ));
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(_))) | None => return None,
            Some(Err(_)) => return Some(Close::new(CloseCode::TooBig, "The frame is too big or broken.")),
        }
    }
}

async fn act_on(bytes: &[u8], connection: &Connection, resizes: &mut Resizes) -> Result<(), Close> {
    if bytes.len() > limits::FRAME_BYTES {
        return Err(Close::new(CloseCode::TooBig, "The frame is too big: 128 KiB is the most."));
    }
    let protocol_error =
        |error: &dyn std::fmt::Display| Close::new(CloseCode::ProtocolError, error.to_string());
    match frame::parse(bytes).map_err(|error| protocol_error(&error))? {
        Incoming::Input(input) => connection.viewer.input(input).await,
        Incoming::Ack(offset) => {
            connection.viewer.acknowledge(offset).map_err(|error| protocol_error(&error))?
        }
        Incoming::Resize(size) => resizes.note(size, connection),
        Incoming::Control => {}
    }
    Ok(())
}

/// Sizes on their way: the first at once, those that follow closely as one.
#[derive(Debug, Default)]
struct Resizes {
    waiting: Option<Winsize>,
    applied_at: Option<Instant>,
}

impl Resizes {
    fn note(&mut self, size: Winsize, connection: &Connection) {
        self.waiting = Some(size);
        if self.applied_at.is_none_or(|at| at.elapsed() >= limits::RESIZE_QUIET) {
            self.apply(connection);
        }
    }

    fn apply(&mut self, connection: &Connection) {
        if let Some(size) = self.waiting.take() {
            connection.viewer.resize(size);
            self.applied_at = Some(Instant::now());
        }
    }

    /// Resolves when a waiting size is due; never when none waits.
    async fn due(&self) {
        match (self.waiting, self.applied_at) {
            (Some(_), Some(at)) => tokio::time::sleep_until((at + limits::RESIZE_QUIET).into()).await,
            _ => std::future::pending().await,
        }
    }
}
