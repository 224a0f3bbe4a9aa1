#![doc = include_str!("../PROTOCOL.md")]

pub mod close;
mod connection;
pub mod control;
pub mod frame;
mod receive;
mod send;
pub mod tunnel;

use axum::extract::ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection};
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;

use crate::app::App;
use crate::auth::origin::Source;
use crate::config::limits;
use crate::error::{Error, ErrorKind};

/// The query of an upgrade.
#[derive(Debug, Deserialize)]
pub(crate) struct Entry {
    #[serde(default)]
    ticket: String,
    offset: Option<u64>,
}

/// Lets a viewer in: own origin or none, then the ticket, then the upgrade.
pub(crate) async fn upgrade(
    State(app): State<App>,
    headers: HeaderMap,
    Query(entry): Query<Entry>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Error> {
    if app.source(&headers) == Source::Foreign {
        return Err(refused(
            &app,
            ErrorKind::ForeignOrigin,
            "A page of another site may not open a terminal.",
        ));
    }
    let upgrade =
        upgrade.map_err(|_| Error::new(ErrorKind::Malformed, "This address speaks websocket only."))?;
    let seat = app.sessions.admit(&entry.ticket).ok_or_else(|| {
        refused(&app, ErrorKind::NotFound, "The ticket is used, too old or unknown. Ask for a new one.")
    })?;
    let shutdown = app.sessions.parts().shutdown.clone();
    let upgrade = upgrade
        .read_buffer_size(limits::WS_READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(limits::WS_WRITE_BUFFER_BYTES)
        .max_frame_size(limits::WS_MESSAGE_BYTES)
        .max_message_size(limits::WS_MESSAGE_BYTES);
    Ok(upgrade.on_upgrade(move |socket| {
        let viewer = connection::serve(socket, seat, entry.offset, shutdown.clone());
        shutdown.track(viewer)
    }))
}

fn refused(app: &App, kind: ErrorKind, sentence: &str) -> Error {
    app.sessions.parts().metrics.refused.add(1);
    Error::new(kind, sentence)
}
