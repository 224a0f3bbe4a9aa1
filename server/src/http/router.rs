//! Every route of the site and the API, in reading order.

use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{delete, get, post, put};
use axum::{Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use super::{
    assets, events, execs, health, instances, openapi, origin, pages, playgrounds, port_access, ports,
    problem, security, sessions, terminals, trace,
};
use crate::app::App;
use crate::config::limits;

/// All of it, and the websockets of another edge: what holds for every answer holds for theirs.
pub fn router(app: App, sockets: Router<App>) -> Router<App> {
    let exec_time = limits::EXEC_TIME_MAX + Duration::from_secs(30);
    let timeout = |time| TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, time);
    Router::new()
        .merge(site())
        .merge(sockets)
        .merge(api(app.clone()).layer(timeout(limits::REQUEST_TIME)))
        .merge(long_api(app.clone()).layer(timeout(exec_time)))
        .fallback(problem::no_such_path)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(DefaultBodyLimit::max(limits::BODY_BYTES))
        .layer(CatchPanicLayer::custom(|_| problem::panicked().into_response()))
        .layer(middleware::from_fn_with_state(app, security::add_headers))
        .layer(middleware::from_fn(trace::requests))
}

fn site() -> Router<App> {
    Router::new()
        .route("/", get(pages::landing))
        .route("/s/{token}", get(pages::session))
        .route("/port-access", get(port_access::pass))
        .route("/assets/{*path}", get(assets::serve))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
}

fn api(app: App) -> Router<App> {
    Router::new()
        .route("/api/v1/openapi.json", get(openapi::document))
        .route("/api/v1/playgrounds", get(playgrounds::list))
        .route("/api/v1/sessions", post(sessions::create))
        .route("/api/v1/sessions/{id}", get(sessions::show).delete(sessions::close))
        .route("/api/v1/sessions/{id}/extend", post(sessions::extend))
        .route("/api/v1/sessions/{id}/terminals", get(terminals::list))
        .route("/api/v1/sessions/{id}/terminals/{terminal}", delete(terminals::close))
        .route("/api/v1/sessions/{id}/terminals/{terminal}/tickets", post(terminals::ticket))
        .route("/api/v1/sessions/{id}/instances", post(instances::add))
        .route("/api/v1/sessions/{id}/instances/{instance}", delete(instances::remove))
        .route("/api/v1/sessions/{id}/instances/{instance}/terminals", post(terminals::open))
        .route("/api/v1/sessions/{id}/instances/{instance}/reboot", post(instances::reboot))
        .route("/api/v1/sessions/{id}/instances/{instance}/ports/{port}", put(ports::change))
        .route("/api/v1/sessions/{id}/events", get(events::stream))
        .route_layer(middleware::from_fn_with_state(app, origin::require_own))
}

/// Routes whose answer takes as long as their request says.
fn long_api(app: App) -> Router<App> {
    Router::new()
        .route("/api/v1/sessions/{id}/instances/{instance}/exec", post(execs::run))
        .route_layer(middleware::from_fn_with_state(app, origin::require_own))
}

/// Every route of the API with its methods, for the test of the OpenAPI document.
pub const API_ROUTES: [(&str, &[Method]); 17] = [
    ("/api/v1/openapi.json", &[Method::GET]),
    ("/api/v1/playgrounds", &[Method::GET]),
    ("/api/v1/sessions", &[Method::POST]),
    ("/api/v1/sessions/{id}", &[Method::GET, Method::DELETE]),
    ("/api/v1/sessions/{id}/extend", &[Method::POST]),
    ("/api/v1/sessions/{id}/terminals", &[Method::GET]),
    ("/api/v1/sessions/{id}/terminals/{terminal}", &[Method::DELETE]),
    ("/api/v1/sessions/{id}/terminals/{terminal}/tickets", &[Method::POST]),
    ("/api/v1/sessions/{id}/instances", &[Method::POST]),
    ("/api/v1/sessions/{id}/instances/{instance}", &[Method::DELETE]),
    ("/api/v1/sessions/{id}/instances/{instance}/terminals", &[Method::POST]),
    ("/api/v1/sessions/{id}/instances/{instance}/reboot", &[Method::POST]),
    ("/api/v1/sessions/{id}/instances/{instance}/exec", &[Method::POST]),
    ("/api/v1/sessions/{id}/instances/{instance}/ports/{port}", &[Method::PUT]),
    ("/api/v1/sessions/{id}/events", &[Method::GET]),
    ("/api/v1/terminals/ws", &[Method::GET]),
    ("/metrics", &[Method::GET]),
];
