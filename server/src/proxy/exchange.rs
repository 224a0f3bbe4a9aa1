//! One request to an app and its answer: over a connection that waits there, else over a new one.

use std::io;

use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};

use super::Proxy;
use super::body::Body;
use super::page::Page;
use super::visit::Visit;
use super::{answer, request, tunnel};
use crate::config::limits;
use crate::error::ErrorKind;
use crate::instance::gate::ConnectError;
use crate::instance::gate::pass::Pass;
use crate::instance::gate::wire::Arrived;
use crate::instance::gate::wire::upload::Upload;

/// There is no answer.
enum Failure {
    /// There is no connection.
    Connect(ConnectError),
    /// It broke, or what came over it is none.
    Unanswered(io::Error),
}

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
        let mut pass = visit.ports.gate().pass(visit.port).map_err(|error| refusal(&visit, &error))?;
        let mut request = request.map(Upload::new);
        let sent = tokio::time::timeout(limits::PORT_HEAD_TIME, send(&mut pass, &visit, &mut request));
        let mut answer = match sent.await {
            Ok(sent) => sent.map_err(|error| failure(&visit, &error))?,
            Err(_) => return Err(Page::SLOW),
        };
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            let client = upgrade.ok_or(Page::BROKEN)?;
            return Ok(tunnel::begin(self, &visit, client, pass, answer));
        }
        answer::rewrite(answer.headers_mut(), &visit);
        Ok(answer.map(|arrived| Body::of(arrived, pass)))
    }
}

/// Over a connection that waits there, else over a new one. The app may close a waiting one just when it is used: what
/// can be said twice is said again, and what was not said.
async fn send(
    pass: &mut Pass,
    visit: &Visit,
    request: &mut Request<Upload>,
) -> Result<Response<Arrived>, Failure> {
    let may_repeat = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS)
        && request.body().is_at_end();
    while let Some(wire) = pass.take_idle() {
        match wire.send(request).await {
            Ok(answer) => return Ok(answer),
            Err(broken) if may_repeat || broken.is_unsent => {}
            Err(broken) => return Err(Failure::Unanswered(broken.error)),
        }
    }
    // Boxed because it is seldom needed, and large.
    let wire = Box::pin(pass.open(visit.ports.families(visit.port))).await.map_err(Failure::Connect)?;
    wire.send(request).await.map_err(|broken| Failure::Unanswered(broken.error))
}

fn failure(visit: &Visit, failure: &Failure) -> Page {
    match failure {
        Failure::Connect(error) => refusal(visit, error),
        Failure::Unanswered(error) => {
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
