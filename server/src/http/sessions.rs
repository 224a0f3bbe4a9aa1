//! Sessions in the API.

use axum::Json;
use axum::extract::State;
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::Body;
use super::client::Client;
use super::cookie;
use super::owner::Owner;
use super::ports::Address;
use crate::app::App;
use crate::auth::origin::Source;
use crate::clock::UnixMillis;
use crate::db::session::reason_text;
use crate::error::{Error, ErrorKind, Result};
use crate::id::PlaygroundName;
use crate::session::start::Started;
use crate::session::view::SessionView;

/// What a session is asked to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSession {
    playground: Option<PlaygroundName>,
}

/// `POST /api/v1/sessions`
pub(super) async fn create(
    State(app): State<App>,
    Client(client): Client,
    headers: HeaderMap,
    Body(new): Body<NewSession>,
) -> Result<Response> {
    if app.source(&headers) == Source::Foreign {
        return Err(Error::new(ErrorKind::ForeignOrigin, "A page of another site may not start a session."));
    }
    let started = app.sessions.start(client, new.playground).await?;
    Ok(created(&app, &headers, &started))
}

fn created(app: &App, headers: &HeaderMap, started: &Started) -> Response {
    let session = &started.session;
    let mut body = present(app, headers, session);
    body["token"] = json!(started.api_token.expose());
    body["url"] = json!(format!("{}/s/{}", app.origin(headers), started.url_token.expose()));
    let mut response = (StatusCode::CREATED, Json(body)).into_response();
    let location = HeaderValue::from_str(&format!("/api/v1/sessions/{}", session.id));
    response.headers_mut().extend(location.ok().map(|value| (LOCATION, value)));
    let https = app.is_https(headers);
    let cookie = cookie::set(&session.id, &started.url_token, cookie_seconds(session), https);
    response.headers_mut().extend(cookie.map(|value| (SET_COOKIE, value)));
    response
}

/// A cookie lives for the longest time that a session may be extended to.
pub(super) fn cookie_seconds(session: &SessionView) -> u64 {
    session.expires_at.since(UnixMillis::now()).as_secs() + 7 * 24 * 3600
}

/// A session as JSON, with addresses as the sender of a request with these headers reaches them.
pub(super) fn present(app: &App, headers: &HeaderMap, session: &SessionView) -> Value {
    let address = Address::of(app, headers);
    let instance = |instance| super::instances::present(&address, instance);
    let instances: Vec<Value> = session.instances.iter().map(instance).collect();
    json!({
        "id": session.id,
        "playground": session.playground,
        "state": session.state.as_str(),
        "end_reason": session.end_reason.map(reason_text),
        "created_at": session.created_at.to_rfc3339(),
        "expires_at": session.expires_at.to_rfc3339(),
        "instances": instances,
    })
}

/// `GET /api/v1/sessions/{id}`
pub(super) async fn show(
    State(app): State<App>,
    Owner(owner): Owner,
    headers: HeaderMap,
) -> Result<Json<Value>> {
    Ok(Json(present(&app, &headers, &app.sessions.view(&owner).await?)))
}

/// `DELETE /api/v1/sessions/{id}`
pub(super) async fn close(State(app): State<App>, Owner(owner): Owner) -> Result<StatusCode> {
    app.sessions.close(&owner).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/v1/sessions/{id}/extend`
pub(super) async fn extend(
    State(app): State<App>,
    Owner(owner): Owner,
    headers: HeaderMap,
) -> Result<Json<Value>> {
    Ok(Json(present(&app, &headers, &app.sessions.extend(&owner).await?)))
}
