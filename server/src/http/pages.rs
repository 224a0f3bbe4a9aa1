//! The pages: landing, session, end, error. Templates lie in `web/templates`.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use sandlot_runtime::supervisor::protocol::EndReason;
use serde::Deserialize;

use super::cookie;
use super::playgrounds::{Offer, offers};
use super::sessions::cookie_seconds;
use crate::app::App;
use crate::auth::token::Token;
use crate::clock::UnixMillis;
use crate::db::session::reason_text;
use crate::error::{Error, Result};
use crate::session::view::SessionView;

#[derive(Template)]
#[template(path = "landing.html")]
struct Landing {
    test_hooks: bool,
    playgrounds: Vec<Offer>,
    wanted: String,
}

#[derive(Template)]
#[template(path = "session.html")]
struct Session {
    test_hooks: bool,
    session_id: String,
    playground: String,
    expires_at: String,
    seconds_left: u64,
    instances: Vec<Machine>,
}

struct Machine {
    name: String,
}

#[derive(Template)]
#[template(path = "ended.html")]
struct Ended {
    test_hooks: bool,
    reason: &'static str,
    sentence: &'static str,
    playground: String,
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    test_hooks: bool,
    status: u16,
    title: &'a str,
    detail: &'a str,
}

/// The query of the landing page.
#[derive(Debug, Deserialize)]
pub(super) struct Wish {
    #[serde(default)]
    playground: String,
}

/// `GET /`
pub(super) async fn landing(State(app): State<App>, Query(wish): Query<Wish>) -> Response {
    let offers = offers(&app);
    let known = offers.iter().any(|offer| offer.name == wish.playground);
    if !wish.playground.is_empty() && !known {
        let detail = "There is no playground of this name here. The start page lists those that are.";
        return error_page(StatusCode::NOT_FOUND, "No such playground", detail);
    }
    let page = Landing { test_hooks: app.config.test_hooks, playgrounds: offers, wanted: wish.playground };
    render(StatusCode::OK, &page)
}

/// `GET /s/{token}`
pub(super) async fn session(
    State(app): State<App>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response {
    match find(&app, &token, &headers).await {
        Ok((_, session)) if session.is_over() => ended(&app, session),
        Ok((token, session)) => open(&app, &headers, &token, session),
        Err(error) => {
            let (status, title) = super::problem::status(error.kind());
            error_page(status, title, "There is no session at this address. It may have ended long ago.")
        }
    }
}

async fn find(app: &App, token: &str, headers: &HeaderMap) -> Result<(Token, SessionView)> {
    let token = Token::presented(token).ok_or_else(|| Error::not_found("session"))?;
    let owner = app.sessions.prove_by_url(&token).await?;
    app.sessions.note_site(&owner, app.origin(headers));
    Ok((token, app.sessions.view(&owner).await?))
}

fn open(app: &App, headers: &HeaderMap, token: &Token, session: SessionView) -> Response {
    let cookie = cookie::set(&session.id, token, cookie_seconds(&session), app.is_https(headers));
    let page = Session {
        test_hooks: app.config.test_hooks,
        session_id: session.id,
        playground: session.playground,
        expires_at: session.expires_at.to_rfc3339(),
        seconds_left: session.expires_at.since(UnixMillis::now()).as_secs(),
        instances: session.instances.iter().map(|i| Machine { name: i.name.to_string() }).collect(),
    };
    let mut response = render(StatusCode::OK, &page);
    response.headers_mut().extend(cookie.map(|value| (SET_COOKIE, value)));
    response
}

fn ended(app: &App, session: SessionView) -> Response {
    let reason = session.end_reason;
    let page = Ended {
        test_hooks: app.config.test_hooks,
        reason: reason.map_or("gone", reason_text),
        sentence: sentence(reason),
        playground: session.playground,
    };
    render(StatusCode::GONE, &page)
}

fn sentence(reason: Option<EndReason>) -> &'static str {
    match reason {
        Some(EndReason::Expired) => "Its time was over.",
        Some(EndReason::Closed) => "It was closed.",
        Some(EndReason::StartFailed) => "It could not be started.",
        Some(EndReason::Operator) => "The operator of this site ended it.",
        Some(EndReason::SupervisorLost) => {
            "The program that held its machines failed, and they ended with it."
        }
        Some(EndReason::NodeRestarted) => "The computer that it ran on was restarted.",
        None => "It is gone.",
    }
}

/// A page that says what went wrong.
pub(super) fn error_page(status: StatusCode, title: &str, detail: &str) -> Response {
    render(status, &ErrorPage { test_hooks: false, status: status.as_u16(), title, detail })
}

fn render(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(error) => Error::internal(std::io::Error::other(error.to_string())).into_response(),
    }
}
