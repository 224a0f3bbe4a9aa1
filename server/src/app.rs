//! What the edges share: the use cases, the configuration, and how a request is read for access decisions.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::{HOST, HeaderName, ORIGIN};

use crate::auth::origin::{self, Source};
use crate::config::Config;
use crate::config::proxies::quota_key;
use crate::session::Sessions;

/// Path of the terminal websocket.
pub const TERMINAL_WEBSOCKET: &str = "/api/v1/terminals/ws";

/// The scheme by which a browser reached the proxy before us. Only a trusted one's is left of it (`serve/entrance.rs`).
pub const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// The host that a browser asked the proxy for; as [`FORWARDED_PROTO`].
pub const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// Path of the websocket that carries a TCP connection to a port of an instance.
pub const CONNECT_WEBSOCKET: &str = "/s/{token}/connect";

/// State of every handler; clones share it.
#[derive(Debug, Clone)]
pub struct App {
    /// The use cases.
    pub sessions: Sessions,
    /// The configuration.
    pub config: Arc<Config>,
    /// Where the site listens.
    pub address: SocketAddr,
}

impl App {
    /// Where a request says it comes from.
    pub fn source(&self, headers: &HeaderMap) -> Source {
        let headers = origin::Headers {
            origin: text(headers, ORIGIN),
            host: host(headers),
            is_https: self.came_by_https(headers),
            fetch_site: headers.get("sec-fetch-site").and_then(|value| value.to_str().ok()),
        };
        origin::source(headers, self.config.public_url.as_deref())
    }

    /// What quotas count a request by.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> String {
        let chain: Vec<&str> =
            headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect();
        quota_key(self.config.trusted_proxies.client(peer, &chain))
    }

    /// Origin of the site as the sender of a request reaches it, such as `http://127.0.0.1:8080`.
    pub fn origin(&self, headers: &HeaderMap) -> String {
        if let Some(url) = &self.config.public_url {
            return url.clone();
        }
        let scheme = if self.came_by_https(headers) { "https" } else { "http" };
        let host = host(headers).filter(|host| is_authority(host));
        host.map_or_else(|| format!("{scheme}://{}", self.address), |host| format!("{scheme}://{host}"))
    }

    /// Whether browsers reach the site by HTTPS: as the operator says, else as the request came.
    pub fn is_https(&self, headers: &HeaderMap) -> bool {
        match &self.config.public_url {
            Some(url) => url.starts_with("https://"),
            None => self.came_by_https(headers),
        }
    }

    fn came_by_https(&self, headers: &HeaderMap) -> bool {
        match text(headers, FORWARDED_PROTO) {
            Some(chain) => last(chain).eq_ignore_ascii_case("https"),
            None => self.config.tls.is_some(),
        }
    }
}

/// The host, and maybe port, that the sender of a request asked for.
fn host(headers: &HeaderMap) -> Option<&str> {
    text(headers, FORWARDED_HOST).map(last).or_else(|| text(headers, HOST))
}

/// What the nearest proxy said; those before it may have been invented.
fn last(chain: &str) -> &str {
    chain.rsplit(',').next().unwrap_or_default().trim()
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// A host and maybe a port, nothing that could end a URL's authority early.
pub(crate) fn is_authority(host: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']' | b'_');
    (1..=255).contains(&host.len()) && host.bytes().all(plain)
}
