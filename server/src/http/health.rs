//! Whether serve lives, whether it can start sessions, and its numbers.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::error::{Error, ErrorKind, Result};

/// `GET /healthz`: this process answers.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: sessions can be started.
pub(super) async fn ready(State(app): State<App>) -> Result<&'static str> {
    let away = app.sessions.parts().backend.away();
    let reason = away.or_else(|| {
        let looking = "The node is still looking at what runs on it.".to_owned();
        (!app.sessions.has_reconciled()).then_some(looking)
    });
    if let Some(reason) = reason {
        return Err(Error::new(ErrorKind::Unavailable, reason).retry_after(std::time::Duration::from_secs(1)));
    }
    app.sessions.parts().db.check().await?;
    Ok("ready\n")
}

/// `GET /metrics`
pub(super) async fn metrics(State(app): State<App>) -> Response {
    let up = app.sessions.parts().backend.away().is_none();
    let text = app.sessions.parts().metrics.render(up);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
