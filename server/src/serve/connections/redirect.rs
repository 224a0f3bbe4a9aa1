//! The answer to plain HTTP on a port that speaks TLS: where to ask instead. Nothing of the site is behind it.

use std::convert::Infallible;

use axum::http::header::{CONTENT_TYPE, HOST, HeaderMap, LOCATION, REFERRER_POLICY};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use hyper::service::service_fn;
use tokio::net::TcpStream;

use super::http;
use crate::app::is_authority;
use crate::shutdown::Shutdown;

const TEXT: &str = "This port speaks HTTPS: ask it by https://, not http://.\n";

/// Answers what comes.
pub(super) async fn answer(stream: TcpStream, shutdown: &Shutdown) -> hyper::Result<()> {
    let service = service_fn(|request| async move { Ok::<_, Infallible>(elsewhere(&request)) });
    http::speak_1(stream, service, shutdown).await
}

/// A program that sent a secret in the clear must not go on as if nothing had happened: only pages are moved.
fn elsewhere<B>(request: &Request<B>) -> Response<String> {
    let mut response = Response::new(TEXT.to_owned());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    // The path may hold a secret.
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    match target(request.uri(), request.headers()).filter(|_| is_read) {
        Some(target) => {
            response.headers_mut().insert(LOCATION, target);
            *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
        }
        None => *response.status_mut() = StatusCode::BAD_REQUEST,
    }
    response
}

fn target(uri: &Uri, headers: &HeaderMap) -> Option<HeaderValue> {
    let host = headers.get(HOST)?.to_str().ok().filter(|host| is_authority(host))?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    HeaderValue::from_str(&format!("https://{host}{path}")).ok().filter(|_| path.starts_with('/'))
}
