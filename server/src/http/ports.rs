//! Ports of instances in the API.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::Body;
use super::owner::{Instance, Owner, Port};
use crate::app::App;
use crate::error::{Error, ErrorKind, Result};
use crate::session::ports::change::Change;
use crate::session::ports::{InstancePorts, PortView, Visibility};

/// What a port is asked to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PortRequest {
    visibility: Option<String>,
    rewrite_host: Option<bool>,
}

/// `PUT /api/v1/sessions/{id}/instances/{instance}/ports/{port}`
pub(super) async fn change(
    State(app): State<App>,
    Owner(owner): Owner,
    Instance(instance): Instance,
    Port(port): Port,
    headers: HeaderMap,
    Body(request): Body<PortRequest>,
) -> Result<Json<Value>> {
    let change = Change { visibility: request.visibility()?, rewrites_host: request.rewrite_host };
    let setting = app.sessions.change_port(&owner, instance, port, change).await?;
    let ports = app.sessions.ports_of(&owner, instance)?;
    Ok(Json(present(&Address::of(&app, &headers), &ports, PortView { port, setting })))
}

impl PortRequest {
    fn visibility(&self) -> Result<Option<Visibility>> {
        let Some(text) = &self.visibility else { return Ok(None) };
        let parsed = Visibility::parse(text);
        parsed
            .map(Some)
            .ok_or_else(|| Error::new(ErrorKind::Invalid, "visibility must be private, link or closed."))
    }
}

/// How the sender of a request reaches the site and its ports.
#[derive(Debug, Clone)]
pub(super) struct Address {
    site: String,
    scheme: String,
    /// Domain of the ports, with the listener's port.
    ports: String,
}

impl Address {
    pub(super) fn of(app: &App, headers: &HeaderMap) -> Self {
        let site = app.origin(headers);
        let (scheme, authority) = site.split_once("://").unwrap_or(("http", &site));
        let port = authority.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.ends_with(']'));
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let ports = format!("{}{port}", app.config.ports_domain.name());
        Self { scheme: scheme.to_owned(), ports, site: site.clone() }
    }
}

/// A port as JSON.
fn present(address: &Address, ports: &InstancePorts, view: PortView) -> Value {
    let (port, token) = (view.port, ports.token().expose());
    let Address { site, scheme, ports: domain } = address;
    json!({
        "port": port,
        "url": format!("{scheme}://{port}-{token}.{domain}/"),
        "path_url": format!("{site}/port/{token}/{port}/"),
        "visibility": view.setting.visibility.as_str(),
        "rewrite_host": view.setting.rewrites_host,
    })
}

/// The listening ports of an instance as JSON.
pub(super) fn present_all(address: &Address, ports: &InstancePorts) -> Vec<Value> {
    ports.views().into_iter().map(|view| present(address, ports, view)).collect()
}
