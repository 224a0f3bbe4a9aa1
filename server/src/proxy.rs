//! Ports by URL: HTTP requests to `<port>-<token>.<domain>` and `/port/<token>/<port>/` go to that port of the instance.
//!
//! An edge of its own beside the site: nothing that the site adds to its answers is added to those of an app. What is
//! behind a port is a stranger to the site: a foreign origin, without our cookies.

mod access;
pub mod address;
mod answer;
pub mod body;
mod cookie;
mod exchange;
mod location;
mod page;
mod request;
mod tunnel;
mod visit;

use std::net::SocketAddr;

use hyper::body::Incoming;
use hyper::header::ACCEPT;
use hyper::{HeaderMap, Request, Response};

use self::address::Address;
use self::body::Body;
use self::page::Page;
use crate::app::App;

/// The proxy of a node's ports; clones share it.
#[derive(Debug, Clone)]
pub struct Proxy {
    app: App,
}

impl Proxy {
    /// Over these sessions.
    pub fn new(app: App) -> Self {
        Self { app }
    }

    /// The port that a request is for; `None` when it is for the site.
    pub fn address(&self, request: &Request<Incoming>) -> Option<Address> {
        Address::of(request, &self.app.config.ports_domain)
    }

    /// Whether a request with this host and this target is for a port.
    pub fn is_named(&self, host: Option<&str>, target: &str) -> bool {
        Address::by(host, target, &self.app.config.ports_domain).is_some()
    }

    /// Answers a request to a port.
    pub async fn serve(
        &self,
        address: Address,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Response<Body> {
        self.app.sessions.parts().metrics.port_requests.add(1);
        let visit = match self.admit(&address, &request, peer) {
            Ok(visit) => visit,
            Err(refusal) => return *refusal,
        };
        let accepts = request.headers().get(ACCEPT).cloned();
        self.forward(visit, request).await.unwrap_or_else(|page| {
            let headers: HeaderMap = accepts.map(|accepts| (ACCEPT, accepts)).into_iter().collect();
            page.present(&headers)
        })
    }
}

/// The same answer to every address that is none: guessed, malformed, or of a session that has ended.
fn nowhere(accepts: &HeaderMap) -> Response<Body> {
    Page::NOWHERE.present(accepts)
}
