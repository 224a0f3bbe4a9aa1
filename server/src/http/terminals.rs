//! Terminals in the API.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use sandlot_runtime::supervisor::protocol::{Command, Winsize};
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::Body;
use super::owner::{Instance, Owner, Terminal};
use crate::app::{App, TERMINAL_WEBSOCKET};
use crate::auth::token::Token;
use crate::config::limits;
use crate::error::{Error, ErrorKind, Result};
use crate::session::terminal::TerminalView;

/// What a terminal is asked to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct NewTerminal {
    rows: u16,
    cols: u16,
}

impl Default for NewTerminal {
    fn default() -> Self {
        Self { rows: 24, cols: 80 }
    }
}

impl NewTerminal {
    fn size(&self) -> Result<Winsize> {
        let good = |number: u16| (1..=limits::WINSIZE_MAX).contains(&number);
        if good(self.rows) && good(self.cols) {
            return Ok(Winsize { rows: self.rows, cols: self.cols });
        }
        Err(Error::new(ErrorKind::Invalid, "A terminal has 1 to 1000 rows and columns."))
    }
}

/// `POST /api/v1/sessions/{id}/instances/{instance}/terminals`
pub(super) async fn open(
    State(app): State<App>,
    Owner(owner): Owner,
    Instance(instance): Instance,
    headers: HeaderMap,
    Body(new): Body<NewTerminal>,
) -> Result<Response> {
    let terminal = app.sessions.open_terminal(&owner, instance, Command::default(), new.size()?).await?;
    let ticket = app.sessions.ticket(&owner, terminal.id)?;
    let mut body = present(&terminal);
    body["ws_url"] = json!(ws_url(&app, &headers, &ticket));
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

fn present(terminal: &TerminalView) -> Value {
    let exit = terminal
        .exit
        .map(|exit| json!({ "code": exit.status.code, "signal": exit.status.signal, "offset": exit.offset }));
    json!({
        "id": terminal.id,
        "instance": terminal.instance,
        "state": if exit.is_some() { "ended" } else { "open" },
        "exit": exit,
    })
}

fn ws_url(app: &App, headers: &HeaderMap, ticket: &Token) -> String {
    let origin = app.origin(headers);
    let (scheme, rest) = match origin.strip_prefix("https://") {
        Some(rest) => ("wss", rest),
        None => ("ws", origin.trim_start_matches("http://")),
    };
    format!("{scheme}://{rest}{}?ticket={}", TERMINAL_WEBSOCKET, ticket.expose())
}

/// `GET /api/v1/sessions/{id}/terminals`
pub(super) async fn list(State(app): State<App>, Owner(owner): Owner) -> Result<Json<Value>> {
    let terminals: Vec<Value> = app.sessions.terminals(&owner)?.iter().map(present).collect();
    Ok(Json(json!({ "terminals": terminals })))
}

/// `POST /api/v1/sessions/{id}/terminals/{terminal}/tickets`
pub(super) async fn ticket(
    State(app): State<App>,
    Owner(owner): Owner,
    Terminal(terminal): Terminal,
    headers: HeaderMap,
) -> Result<Response> {
    let ticket = app.sessions.ticket(&owner, terminal)?;
    let body = json!({ "ws_url": ws_url(&app, &headers, &ticket) });
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// `DELETE /api/v1/sessions/{id}/terminals/{terminal}`
pub(super) async fn close(
    State(app): State<App>,
    Owner(owner): Owner,
    Terminal(terminal): Terminal,
) -> Result<StatusCode> {
    app.sessions.close_terminal(&owner, terminal).await?;
    Ok(StatusCode::NO_CONTENT)
}
