//! Answers of the proxy's own: pages that say what to do. Programs get the same as text.

use askama::Template;
use bytes::Bytes;
use hyper::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION,
    REFERRER_POLICY,
};
use hyper::{HeaderMap, Response, StatusCode};

use super::body::Body;

/// A page of this site's shape, without a script, and of no origin in the path form either.
const POLICY: HeaderValue = HeaderValue::from_static(
    "sandbox allow-popups allow-top-navigation; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) title: &'static str,
    pub(super) text: std::borrow::Cow<'static, str>,
    /// Whether the browser tries again by itself.
    pub(super) again: bool,
}

#[derive(Template)]
#[template(path = "port.html")]
struct Document<'a> {
    title: &'a str,
    text: &'a str,
    again: bool,
}

impl Page {
    pub(super) const NOWHERE: Self = Self::fixed(
        StatusCode::NOT_FOUND,
        "Nothing is here",
        "The session that this address belonged to has ended, or the address is not whole. Take the link from the page \
         of the session.",
    );
    pub(super) const CLOSED: Self = Self::fixed(
        StatusCode::FORBIDDEN,
        "This port is closed",
        "The owner of the session has closed it. The page of the session can open it again.",
    );
    pub(super) const PRIVATE: Self = Self::fixed(
        StatusCode::FORBIDDEN,
        "This port is private",
        "Only the owner of the session may see it. Open the page of the session in this browser first, then its link.",
    );
    pub(super) const NEEDS_HOST: Self = Self::fixed(
        StatusCode::FORBIDDEN,
        "This app needs an address of its own",
        "It uses what a browser gives to whole hosts only. Take the link <port>-<token> of this port from the page of \
         the session.",
    );
    pub(super) const STOPPED: Self = Self::fixed(
        StatusCode::SERVICE_UNAVAILABLE,
        "The machine does not run",
        "It reboots or has stopped. If it does not come back by itself, reboot it on the page of the session.",
    );
    pub(super) const BUSY: Self = Self::fixed(
        StatusCode::SERVICE_UNAVAILABLE,
        "Too many connections",
        "The ports of this machine have as many connections as they may. Close some, then try again.",
    );
    pub(super) const BROKEN: Self = Self::fixed(
        StatusCode::BAD_GATEWAY,
        "The app gave no answer",
        "What listens there closed the connection, or does not speak HTTP. The terminal of the machine may say more; \
         sandlot connect reaches what is not HTTP.",
    );
    pub(super) const SLOW: Self = Self::fixed(
        StatusCode::GATEWAY_TIMEOUT,
        "The app gave no answer in time",
        "It took the request and did not answer it. The terminal of the machine may say more.",
    );
    pub(super) const NO_WAY_THROUGH: Self = Self::fixed(
        StatusCode::NOT_IMPLEMENTED,
        "This leads nowhere else",
        "A port takes requests for itself; it connects to no other address. sandlot connect reaches what is not HTTP.",
    );
    pub(super) const FAILED: Self = Self::fixed(
        StatusCode::BAD_GATEWAY,
        "The port cannot be reached",
        "Something failed on the node. Try again; the operator's log says more.",
    );

    const fn fixed(status: StatusCode, title: &'static str, text: &'static str) -> Self {
        Self { status, title, text: std::borrow::Cow::Borrowed(text), again: false }
    }

    /// Nothing listens on the port.
    pub(super) fn silent(port: u16) -> Self {
        let text = format!(
            "No program on the machine takes connections on port {port} yet. Start one, on 0.0.0.0 or on localhost. \
             This page then shows it by itself."
        );
        let status = StatusCode::BAD_GATEWAY;
        Self { status, title: "Nothing listens on this port", text: text.into(), again: true }
    }

    /// The answer to a client that sent these headers.
    pub(super) fn present(&self, headers: &HeaderMap) -> Response<Body> {
        let accepts = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (kind, text) = if accepts.contains("text/html") {
            ("text/html; charset=utf-8", self.document())
        } else {
            ("text/plain; charset=utf-8", format!("{}. {}\n", self.title, self.text))
        };
        let mut response = Response::new(Body::Text(Some(Bytes::from(text))));
        *response.status_mut() = self.status;
        fill(
            response.headers_mut(),
            [(CONTENT_TYPE, HeaderValue::from_static(kind)), (CONTENT_SECURITY_POLICY, POLICY)],
        );
        response
    }

    fn document(&self) -> String {
        let document = Document { title: self.title, text: &self.text, again: self.again };
        // A template without loops and calls cannot fail.
        document.render().unwrap_or_default()
    }
}

/// Sends the browser elsewhere.
pub(super) fn redirect(status: StatusCode, to: &str) -> Response<Body> {
    let mut response = Response::new(Body::EMPTY);
    *response.status_mut() = status;
    let to = HeaderValue::try_from(to).unwrap_or(HeaderValue::from_static("/"));
    fill(response.headers_mut(), [(LOCATION, to)]);
    response
}

fn fill<const N: usize>(headers: &mut HeaderMap, own: [(HeaderName, HeaderValue); N]) {
    headers.extend(own);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
}
