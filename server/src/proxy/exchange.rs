//! One request to an app and its answer: over a connection that waits there, else over a new one.

use std::time::{Duration, Instant};

use hyper::body::{Body as HttpBody, Incoming};
use hyper::{Method, Request, Response, StatusCode};

use super::Proxy;
use super::body::{Body, Way};
use super::page::Page;
use super::visit::Visit;
use super::{answer, request, tunnel};
use crate::config::limits;
use crate::error::ErrorKind;
use crate::instance::gate::ConnectError;
use crate::instance::gate::pass::{Pass, SendError};
use crate::instance::gate::upload::Upload;
use crate::instance::gate::wire::Wire;

/// A connection that has waited less than this is not about to be closed by the app.
const SURELY_OPEN: Duration = Duration::from_millis(500);

impl Proxy {
    /// Sends the request to the port and gives its answer.
    pub(super) async fn forward(
        &self,
        visit: Visit,
        mut request: Request<Incoming>,
    ) -> Result<Response<Body>, Page> {
        let upgrade = request::upgrade_of(request.headers(), request.version())
            .map(|_| hyper::upgrade::on(&mut request));
        request::rewrite(&mut request, &visit);
        let pass = visit.ports.gate().pass().map_err(|error| refusal(&visit, &error))?;
        let sent = tokio::time::timeout(limits::PORT_HEAD_TIME, send(&pass, &visit, request.map(Some)));
        let (wire, mut response) = match sent.await {
            Ok(sent) => sent.map_err(|error| failure(&visit, &error))?,
            Err(_) => return Err(Page::SLOW),
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let client = upgrade.ok_or(Page::BROKEN)?;
            let head = tunnel::begin(self, &visit, client, Way { pass, port: visit.port, wire }, response);
            return Ok(head);
        }
        answer::rewrite(response.headers_mut(), &visit);
        let way = Way { pass, port: visit.port, wire };
        Ok(response.map(|incoming| Body::stream(incoming, way)))
    }
}

async fn send(
    pass: &Pass,
    visit: &Visit,
    request: Request<Option<Incoming>>,
) -> Result<(Wire, Response<Incoming>), SendError> {
    let mut request = request.map(Upload);
    while let Some((wire, since)) = pass.take_idle(visit.port) {
        let again = copy_for_retry(&request, since);
        match wire.send(request).await {
            Ok(response) => return Ok((wire, response)),
            Err(error) => {
                pass.drop_wire(&wire);
                request = match error {
                    SendError::Broken(_, Some(unsent)) => *unsent,
                    error => again.ok_or(error)?,
                };
            }
        }
    }
    let families = visit.ports.families(visit.port);
    let wire = pass.open(visit.port, families).await.map_err(SendError::Connect)?;
    match wire.send(request).await {
        Ok(response) => Ok((wire, response)),
        Err(error) => {
            pass.drop_wire(&wire);
            Err(error)
        }
    }
}

/// The app may close a waiting connection just when it is used: what can be said twice is kept for that.
fn copy_for_retry(request: &Request<Upload>, since: Instant) -> Option<Request<Upload>> {
    let may_repeat = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !may_repeat || !request.body().is_end_stream() || since.elapsed() < SURELY_OPEN {
        return None;
    }
    let mut copy = Request::new(Upload(None));
    request.method().clone_into(copy.method_mut());
    request.uri().clone_into(copy.uri_mut());
    request.headers().clone_into(copy.headers_mut());
    Some(copy)
}

fn failure(visit: &Visit, error: &SendError) -> Page {
    match error {
        SendError::Connect(error) => refusal(visit, error),
        SendError::Broken(error, _) => {
            let (session, instance, port) = (visit.ports.session(), visit.ports.instance(), visit.port);
            tracing::debug!(%session, %instance, port, %error, "port {port} of {instance} gave no answer");
            Page::BROKEN
        }
    }
}

pub(super) fn refusal(visit: &Visit, error: &ConnectError) -> Page {
    match error {
        ConnectError::Shut => Page::STOPPED,
        ConnectError::Refused => Page::silent(visit.port),
        ConnectError::Busy => Page::BUSY,
        ConnectError::Backend(error) if error.kind() == ErrorKind::NotFound => Page::NOWHERE,
        ConnectError::Backend(_) | ConnectError::Io(_) => {
            let (session, instance, port) = (visit.ports.session(), visit.ports.instance(), visit.port);
            tracing::warn!(%session, %instance, port, %error, "reach port {port} of {instance}");
            Page::FAILED
        }
    }
}
