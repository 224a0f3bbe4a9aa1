//! JSON bodies. No body is an empty object.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::error::{Error, ErrorKind};

/// A body of this shape.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let bytes = Bytes::from_request(request, state).await.map_err(unread)?;
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(text).map(Self).map_err(|error| match error.classify() {
            Category::Data => Error::new(ErrorKind::Invalid, format!("The body does not fit: {error}.")),
            _ => Error::new(ErrorKind::Malformed, format!("The body is not JSON: {error}.")),
        })
    }
}

fn unread(rejection: BytesRejection) -> Error {
    if rejection.into_response().status() == StatusCode::PAYLOAD_TOO_LARGE {
        Error::new(ErrorKind::TooLarge, "The body is too large: 256 KiB is the most.")
    } else {
        Error::new(ErrorKind::Malformed, "The body did not arrive.")
    }
}
