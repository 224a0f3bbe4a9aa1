//! Whom a request is for: a port of an instance, by its host or path, or the site. Nothing of the site's own handling
//! (its headers, limits, times, log lines) is done to requests for ports.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::service::TowerToHyperService;

use crate::proxy::{self, Proxy};

/// Site and ports; clones share them.
#[derive(Debug, Clone)]
pub(super) struct Dispatch(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    site: Router,
    ports: Proxy,
}

/// The body of either's answer.
#[derive(Debug)]
pub(super) enum Body {
    Site(axum::body::Body),
    Port(proxy::body::Body),
}

impl Dispatch {
    pub(super) fn new(site: Router, ports: Proxy) -> Self {
        Self(Arc::new(Parts { site, ports }))
    }

    /// What knows the addresses of ports.
    pub(super) fn ports(&self) -> &Proxy {
        &self.0.ports
    }

    /// Answers a request of `peer`.
    pub(super) async fn answer(
        self,
        mut request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Result<Response<Body>, Infallible> {
        let Parts { site, ports } = &*self.0;
        if let Some(address) = ports.address(&request) {
            return Ok(ports.serve(address, request, peer).await.map(Body::Port));
        }
        request.extensions_mut().insert(ConnectInfo(peer));
        // Boxed so that a request to a port needs no room for it.
        let answer = Box::pin(TowerToHyperService::new(site.clone()).call(request));
        Ok(answer.await?.map(Body::Site))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Site(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Self::Port(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Site(body) => body.is_end_stream(),
            Self::Port(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Site(body) => body.size_hint(),
            Self::Port(body) => body.size_hint(),
        }
    }
}
