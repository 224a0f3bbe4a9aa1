//! Playgrounds in the API and on the landing page.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::config::playground::Playground;
use crate::image::ImageState;

/// A playground as people see it.
#[derive(Debug, Serialize)]
pub(super) struct Offer {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) description: String,
    /// Size and time in a few words.
    pub(super) facts: String,
    /// `ready`, `making` or `missing`.
    pub(super) state: &'static str,
    /// How far the image is, while it is being made.
    pub(super) progress: String,
    pub(super) image: String,
    pub(super) instances: usize,
    pub(super) max_instances: u8,
    pub(super) memory_bytes: u64,
    pub(super) cpu_millis: u32,
    pub(super) pids: u32,
    pub(super) disk_bytes: u64,
    pub(super) ttl_seconds: u64,
    pub(super) egress: &'static str,
}

/// Every playground, in the order of their names.
pub(super) fn offers(app: &App) -> Vec<Offer> {
    app.config.playgrounds.values().map(|playground| offer(app, playground)).collect()
}

fn offer(app: &App, playground: &Playground) -> Offer {
    let (state, progress) = match app.sessions.parts().images.state(&playground.image) {
        ImageState::Ready(_) => ("ready", String::new()),
        ImageState::Making(making) => ("making", making.to_string()),
        ImageState::Failed(_) => ("missing", "it could not be made".to_owned()),
        ImageState::Missing => ("missing", String::new()),
    };
    Offer {
        name: playground.name.to_string(),
        title: playground.title.clone(),
        description: playground.description.clone(),
        facts: facts(playground),
        state,
        progress,
        image: playground.image.clone(),
        instances: playground.instances.len(),
        max_instances: playground.max_instances,
        memory_bytes: playground.limits.memory_bytes,
        cpu_millis: playground.limits.cpu_millis,
        pids: playground.limits.pids,
        disk_bytes: playground.limits.disk_bytes,
        ttl_seconds: playground.ttl.as_secs(),
        egress: if playground.way.is_some() { "nat" } else { "none" },
    }
}

fn facts(playground: &Playground) -> String {
    let machines = match playground.instances.len() {
        1 => String::new(),
        count => format!("{count} machines · "),
    };
    let minutes = playground.ttl.as_secs().div_ceil(60);
    format!("{machines}{} · {minutes} min", size(playground.limits.memory_bytes))
}

fn size(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    if bytes >= 1024 * MIB && bytes.is_multiple_of(1024 * MIB) {
        format!("{} GiB", bytes / (1024 * MIB))
    } else {
        format!("{} MiB", bytes / MIB)
    }
}

/// `GET /api/v1/playgrounds`
pub(super) async fn list(State(app): State<App>) -> Json<Value> {
    Json(json!({ "playgrounds": offers(&app) }))
}
