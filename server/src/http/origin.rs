//! The API is for programs and for our own pages. Apps behind ports are strangers that may share our site's name, so a
//! browser's request from any other page is refused, whatever it asks for.

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::auth::origin::Source;
use crate::error::{Error, ErrorKind};

/// Lets own pages and programs through.
pub(super) async fn require_own(State(app): State<App>, request: Request, next: Next) -> Response {
    if app.source(request.headers()) == Source::Foreign && !is_link_to_document(&request) {
        app.sessions.parts().metrics.refused.add(1);
        let sentence = "A page of another site may not use this API.";
        return Error::new(ErrorKind::ForeignOrigin, sentence).into_response();
    }
    next.run(request).await
}

/// The description of the API is for everybody, and pages elsewhere may link to it.
fn is_link_to_document(request: &Request) -> bool {
    request.method() == Method::GET && request.uri().path() == "/api/v1/openapi.json"
}
