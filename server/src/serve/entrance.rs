//! The entrance of the site: what the head of a request says about its way here is true behind it.
//!
//! `X-Forwarded-Proto` and `X-Forwarded-Host` are left only where a trusted proxy said them and the operator has not
//! said what they are. The host that an HTTP/2 request is for stands in `Host`, as over HTTP/1.1.

use std::net::IpAddr;

use axum::http::header::HOST;
use axum::http::{HeaderValue, Request, Version};

use crate::app::{FORWARDED_HOST, FORWARDED_PROTO};
use crate::config::Config;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entrance {
    is_believed: bool,
}

impl Entrance {
    /// For the requests of one peer.
    pub(super) fn of(config: &Config, peer: IpAddr) -> Self {
        Self {
            is_believed: config.public_url.is_none() && config.trusted_proxies.trusts(peer.to_canonical()),
        }
    }

    /// Lets a request in.
    pub(super) fn admit<B>(self, mut request: Request<B>) -> Request<B> {
        if !self.is_believed {
            request.headers_mut().remove(FORWARDED_PROTO);
            request.headers_mut().remove(FORWARDED_HOST);
        }
        let host = request.uri().authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
        if let (Version::HTTP_2, Some(host)) = (request.version(), host) {
            request.headers_mut().insert(HOST, host);
        }
        request
    }
}
