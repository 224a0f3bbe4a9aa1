//! The way of an owner to a private port: a page of another origin has no proof, so it sends the browser here, where
//! the session's cookie is, and gets it back with a ticket of one use.

use askama::Template;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::{cookie, pages};
use crate::app::App;
use crate::auth::access::Proof;
use crate::error::Result;
use crate::session::ports::access::Errand;

/// The query.
#[derive(Debug, Deserialize)]
pub(super) struct Ask {
    #[serde(default)]
    ask: String,
    /// The browser was sent here by this page itself, so it has sent every cookie that it has.
    #[serde(default)]
    again: bool,
}

#[derive(Template)]
#[template(path = "port_access.html")]
struct Continue<'a> {
    test_hooks: bool,
    ask: &'a str,
}

/// `GET /port-access`
pub(super) async fn pass(State(app): State<App>, Query(ask): Query<Ask>, headers: HeaderMap) -> Response {
    let Some(errand) = app.sessions.errand(&ask.ask) else { return refused() };
    let session = errand.ports.session().as_str();
    let owner = cookie::token(&headers, session, app.is_https(&headers))
        .and_then(|token| errand.ports.prove(Proof::Cookie(token)));
    let answer = match owner {
        Some(_) => back(&app, errand),
        None if !ask.again => once_more(&app, errand),
        None => Ok(refused()),
    };
    answer.unwrap_or_else(IntoResponse::into_response)
}

fn back(app: &App, errand: Errand) -> Result<Response> {
    let origin = errand.origin.clone();
    let ticket = app.sessions.port_ticket(errand)?;
    let to = format!("{origin}/.well-known/sandlot-port?ticket={}", ticket.expose());
    Ok(Redirect::to(&to).into_response())
}

/// A browser leaves `SameSite=Strict` cookies out where another site began the way here; not on the next step.
fn once_more(app: &App, errand: Errand) -> Result<Response> {
    let ask = app.sessions.ask(errand)?;
    let page = Continue { test_hooks: false, ask: ask.expose() };
    Ok(match page.render() {
        Ok(text) => Html(text).into_response(),
        Err(_) => refused(),
    })
}

fn refused() -> Response {
    let detail = "Only the owner of the session may see it. Open the page of the session in this browser first, then \
                  its link again.";
    pages::error_page(StatusCode::FORBIDDEN, "This port is private", detail)
}
