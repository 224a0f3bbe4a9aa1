//! Instances in the API: they are added, started again and removed.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use sandlot_runtime::supervisor::name::Hostname;
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::Body;
use super::owner::{Instance, Owner};
use super::ports::{Address, present_all};
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
pub(super) fn present(address: &Address, instance: &InstanceView) -> Value {
    let InstanceView { name, hostname, state, ports } = instance;
    let ports = ports.as_ref().map_or_else(Vec::new, |ports| present_all(address, ports));
    json!({ "name": name, "hostname": hostname, "state": state, "ports": ports })
}

/// `POST /api/v1/sessions/{id}/instances`
pub(super) async fn add(
    State(app): State<App>,
    Owner(owner): Owner,
    headers: HeaderMap,
    Body(wish): Body<Wish>,
) -> Result<(StatusCode, Json<Value>)> {
    let new = NewInstance { image: wish.image, hostname: wish.hostname };
    let added = app.sessions.add_instance(&owner, new).await?;
    Ok((StatusCode::CREATED, Json(present(&Address::of(&app, &headers), &added))))
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
    headers: HeaderMap,
) -> Result<Json<Value>> {
    app.sessions.reboot(&owner, instance).await?;
    Ok(Json(sessions::present(&app, &headers, &app.sessions.view(&owner).await?)))
}
