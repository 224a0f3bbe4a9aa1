//! Errors as `application/problem+json` (RFC 9457). The one place where kinds become statuses.

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::error::{Error, ErrorKind};

/// Start of every problem's `type`; the kind's slug follows.
pub const TYPE_PREFIX: &str = "urn:sandlot:problem:";

/// Status and title of a kind.
pub fn status(kind: ErrorKind) -> (StatusCode, &'static str) {
    match kind {
        ErrorKind::NotFound => (StatusCode::NOT_FOUND, "Not found"),
        ErrorKind::Malformed => (StatusCode::BAD_REQUEST, "Malformed request"),
        ErrorKind::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, "Invalid request"),
        ErrorKind::ForeignOrigin => (StatusCode::FORBIDDEN, "Foreign origin"),
        ErrorKind::Ended => (StatusCode::GONE, "Session ended"),
        ErrorKind::Conflict => (StatusCode::CONFLICT, "Not now"),
        ErrorKind::TooMany => (StatusCode::TOO_MANY_REQUESTS, "Too many"),
        ErrorKind::Full => (StatusCode::SERVICE_UNAVAILABLE, "Full"),
        ErrorKind::DiskFull => (StatusCode::INSUFFICIENT_STORAGE, "Disk full"),
        ErrorKind::ImageNotReady => (StatusCode::SERVICE_UNAVAILABLE, "Image not ready"),
        ErrorKind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "Unavailable"),
        ErrorKind::StartFailed => (StatusCode::INTERNAL_SERVER_ERROR, "Start failed"),
        ErrorKind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Too large"),
        ErrorKind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "Internal error"),
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, title) = status(self.kind());
        if status.is_server_error() {
            tracing::warn!(kind = self.kind().slug(), error = self.chain(), "a request failed");
        }
        let mut response = problem(status, self.kind().slug(), title, self.detail());
        if let Some(wait) = self.retry() {
            let seconds = wait.as_secs_f64().ceil().max(1.0);
            // A number of seconds is always a header value.
            let value =
                HeaderValue::from_str(&format!("{seconds:.0}")).unwrap_or(HeaderValue::from_static("1"));
            response.headers_mut().insert(RETRY_AFTER, value);
        }
        response
    }
}

fn problem(status: StatusCode, slug: &str, title: &str, detail: &str) -> Response {
    let body = json!({
        "type": format!("{TYPE_PREFIX}{slug}"),
        "title": title,
        "status": status.as_u16(),
        "detail": detail,
    });
    let mut response = (status, Json(body)).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

/// The answer to a path that does not exist: a page, or a problem below `/api/`.
pub(super) async fn no_such_path(uri: Uri, headers: HeaderMap) -> Response {
    if uri.path().starts_with("/api/") {
        return Error::new(ErrorKind::NotFound, "There is nothing at this path. See /api/v1/openapi.json.")
            .into_response();
    }
    // Of the pages elsewhere that lead here, those of apps in the path form have a reason.
    let foreign = headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site");
    let detail = if foreign {
        "There is nothing at this address. If an app under /port/ led here, it needs an address of its own: take the \
         link of its port from the page of the session."
    } else {
        "There is nothing at this address."
    };
    super::pages::error_page(StatusCode::NOT_FOUND, "Not found", detail)
}

/// The answer to a method that a path does not have.
pub(super) async fn no_such_method() -> Response {
    let detail = "This path does not have this method. See /api/v1/openapi.json.";
    problem(StatusCode::METHOD_NOT_ALLOWED, "no-such-method", "No such method", detail)
}

/// The answer of a handler that panicked.
pub(super) fn panicked() -> Error {
    Error::new(ErrorKind::Internal, "Something failed on the node. Try again; the operator's log says more.")
}
