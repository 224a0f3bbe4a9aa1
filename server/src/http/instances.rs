//! Instances in the API: they are added, started again and removed.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use sandlot_runtime::supervisor::name::Hostname;
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::Body;
use super::owner::{Instance, Owner};
use super::sessions;
use crate::app::App;
use crate::error::Result;
use crate::session::instances::NewInstance;
use crate::session::view::InstanceView;

/// What one more instance is asked to be.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    image: Option<String>,
    hostname: Option<Hostname>,
}

/// An instance as JSON.
pub(super) fn present(instance: &InstanceView) -> Value {
    json!({ "name": instance.name, "hostname": instance.hostname, "state": instance.state })
}

/// `POST /api/v1/sessions/{id}/instances`
pub(super) async fn add(
    State(app): State<App>,
    Owner(owner): Owner,
    Body(wish): Body<Wish>,
) -> Result<(StatusCode, Json<Value>)> {
    let new = NewInstance { image: wish.image, hostname: wish.hostname };
    let added = app.sessions.add_instance(&owner, new).await?;
    Ok((StatusCode::CREATED, Json(present(&added))))
}

/// `DELETE /api/v1/sessions/{id}/instances/{instance}`
pub(super) async fn remove(
    State(app): State<App>,
    Owner(owner): Owner,
    Instance(instance): Instance,
) -> Result<StatusCode> {
    app.sessions.remove_instance(&owner, instance).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/v1/sessions/{id}/instances/{instance}/reboot`
pub(super) async fn reboot(
    State(app): State<App>,
    Owner(owner): Owner,
    Instance(instance): Instance,
) -> Result<Json<Value>> {
    app.sessions.reboot(&owner, instance).await?;
    Ok(Json(sessions::present(&app.sessions.view(&owner).await?)))
}
