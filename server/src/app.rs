//! What the edges share: the use cases, the configuration, and how a request is read for access decisions.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};

use crate::auth::origin::{self, Source};
use crate::config::Config;
use crate::config::proxies::quota_key;
use crate::session::Sessions;

/// Path of the terminal websocket.
pub const TERMINAL_WEBSOCKET: &str = "/api/v1/terminals/ws";

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
            host: text(headers, HOST),
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
        let host = text(headers, HOST).filter(|host| is_authority(host));
        host.map_or_else(|| format!("http://{}", self.address), |host| format!("http://{host}"))
    }

    /// Whether browsers reach the site by HTTPS.
    pub fn is_https(&self) -> bool {
        self.config.public_url.as_deref().is_some_and(|url| url.starts_with("https://"))
    }
}

fn text(headers: &HeaderMap, name: axum::http::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// A host and maybe a port, nothing that could end a URL's authority early.
fn is_authority(host: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']' | b'_');
    (1..=255).contains(&host.len()) && host.bytes().all(plain)
}
