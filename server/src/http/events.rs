//! What happens in a session, as server-sent events. A reader that is slow gets the newest state, never a queue.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::Stream;
use futures_util::stream::unfold;
use serde_json::json;

use super::owner::Owner;
use super::ports::{Address, present_all};
use crate::app::App;
use crate::error::Result;
use crate::session::ports::InstancePorts;
use crate::session::ports::watch::PortEvents;

/// A line that says nothing, so that what stands between sees that the stream lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// `GET /api/v1/sessions/{id}/events`
pub(super) async fn stream(
    State(app): State<App>,
    Owner(owner): Owner,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = std::result::Result<Event, Infallible>>>> {
    app.sessions.note_site(&owner, app.origin(&headers));
    let events = app.sessions.port_events(&owner)?;
    let address = Address::of(&app, &headers);
    let shutdown = app.sessions.parts().shutdown.clone();
    let stream = unfold(events, move |mut events: PortEvents| {
        let (address, shutdown) = (address.clone(), shutdown.clone());
        async move {
            tokio::select! {
                changed = events.next() => Some((Ok(event(&address, &changed?)), events)),
                () = shutdown.begun() => None,
            }
        }
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn event(address: &Address, ports: &Arc<InstancePorts>) -> Event {
    let body = json!({ "instance": ports.instance(), "ports": present_all(address, ports) });
    Event::default().event("ports").data(body.to_string())
}
