//! What stands in a path: the session with the proof for it, an instance, a terminal. A malformed name is not found.

use std::num::NonZeroU16;
use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};

use super::cookie;
use crate::app::App;
use crate::auth::access::{self, Proof};
use crate::auth::origin::Source;
use crate::auth::token::Token;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{InstanceName, SessionId, TerminalId};

/// The owner of the session `{id}`.
#[derive(Debug)]
pub(super) struct Owner(pub(super) access::Owner);

/// The instance `{instance}`.
#[derive(Debug)]
pub(super) struct Instance(pub(super) InstanceName);

/// The port `{port}`.
#[derive(Debug)]
pub(super) struct Port(pub(super) u16);

/// The terminal `{terminal}`.
#[derive(Debug)]
pub(super) struct Terminal(pub(super) TerminalId);

impl FromRequestParts<App> for Owner {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let id: SessionId = parameter(parts, app, "id", "session").await?;
        let bearer = bearer(&parts.headers).map(Proof::Bearer);
        let cookie =
            cookie::token(&parts.headers, id.as_str(), app.is_https(&parts.headers)).map(Proof::Cookie);
        if bearer.is_none() && cookie.is_some() && changes(&parts.method) {
            require_own_page(app.source(&parts.headers))?;
        }
        let proofs: Vec<Proof> = bearer.or(cookie).into_iter().collect();
        app.sessions.prove(id, &proofs).await.map(Self)
    }
}

impl FromRequestParts<App> for Instance {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        parameter(parts, app, "instance", "instance").await.map(Self)
    }
}

impl FromRequestParts<App> for Terminal {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        parameter(parts, app, "terminal", "terminal").await.map(Self)
    }
}

impl FromRequestParts<App> for Port {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let port: NonZeroU16 = parameter(parts, app, "port", "port").await?;
        Ok(Self(port.get()))
    }
}

async fn parameter<T: FromStr>(parts: &mut Parts, app: &App, name: &str, what: &str) -> Result<T> {
    let all = RawPathParams::from_request_parts(parts, app).await.map_err(|_| Error::not_found(what))?;
    let found = all.iter().find(|(key, _)| *key == name).and_then(|(_, value)| value.parse().ok());
    found.ok_or_else(|| Error::not_found(what))
}

fn bearer(headers: &HeaderMap) -> Option<Token> {
    let text = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| Token::presented(token.trim()))?
}

fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
}

fn require_own_page(source: Source) -> Result<()> {
    match source {
        Source::Own => Ok(()),
        Source::Foreign | Source::Unsaid => {
            let sentence =
                "A cookie is proof only for requests from a page of this site. Programs use the API token.";
            Err(Error::new(ErrorKind::ForeignOrigin, sentence))
        }
    }
}
