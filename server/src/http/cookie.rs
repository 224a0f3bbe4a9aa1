//! The cookie that a session's page sets: the proof of its owner while the page is open.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

use crate::auth::cookie;
use crate::auth::token::Token;

/// `Set-Cookie` for a session: never readable by a script, never sent by a link or form of another site.
pub(super) fn set(session: &str, token: &Token, max_age_seconds: u64, https: bool) -> Option<HeaderValue> {
    let secure = if https { "; Secure" } else { "" };
    let (name, token) = (cookie::name(session, https), token.expose());
    let text =
        format!("{name}={token}; Path=/; Max-Age={max_age_seconds}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&text).ok().map(|mut value| {
        value.set_sensitive(true);
        value
    })
}

/// The token in the session's cookie.
pub(super) fn token(headers: &HeaderMap, session: &str, https: bool) -> Option<Token> {
    let texts = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookie::find(texts, &cookie::name(session, https)).and_then(Token::presented)
}
