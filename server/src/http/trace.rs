//! One line of log for each request: its route, never its path, as that may hold a secret.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

static LAST_REQUEST: AtomicU64 = AtomicU64::new(0);

/// Gives the request a number, which its log lines and its answer carry.
pub(super) async fn requests(request: Request, next: Next) -> Response {
    let number = LAST_REQUEST.fetch_add(1, Ordering::Relaxed) + 1;
    let route = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str).to_owned();
    let method = request.method().clone();
    let span = tracing::info_span!("request", number, %method, route);
    let begun = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let (status, took) = (response.status().as_u16(), begun.elapsed());
    span.in_scope(|| tracing::debug!(status, ?took, "answered"));
    response.headers_mut().insert("x-request-id", HeaderValue::from(number));
    response
}
