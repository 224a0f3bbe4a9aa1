//! A request that was let through to a port.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::header::HeaderValue;

use crate::session::ports::{InstancePorts, Setting};

/// What its request and its answer are rewritten by.
#[derive(Debug)]
pub(super) struct Visit {
    /// The instance.
    pub(super) ports: Arc<InstancePorts>,
    /// The port.
    pub(super) port: u16,
    /// What the owner wants of it.
    pub(super) setting: Setting,
    /// `/port/<token>/<port>` in the path form.
    pub(super) prefix: Option<String>,
    /// `http` or `https`, as the client reaches the site.
    pub(super) scheme: &'static str,
    /// Host that the client asked for.
    pub(super) host: HeaderValue,
    /// Whoever opened the connection.
    pub(super) peer: IpAddr,
    /// Whether that is a proxy whose word is believed.
    pub(super) trusts_peer: bool,
}

impl Visit {
    /// The client's host as text; never empty for a valid request.
    pub(super) fn host(&self) -> &str {
        self.host.to_str().unwrap_or_default()
    }

    /// Origin that a browser has the app's pages under, in the host form.
    pub(super) fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.host())
    }

    /// What the app takes itself for, where the host is rewritten.
    pub(super) fn own_host(&self) -> String {
        format!("localhost:{}", self.port)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::auth::access::Secrets;
    use crate::auth::token::Token;

    /// A visit of `play.example:8080` to port 80, in the path form if there is a prefix.
    pub(in crate::proxy) fn visit(prefix: Option<&str>) -> Visit {
        let secret = Token::random().unwrap().hash();
        Visit {
            ports: InstancePorts::for_tests(Secrets { url: secret, api: secret }),
            port: 80,
            setting: Setting::default(),
            prefix: prefix.map(str::to_owned),
            scheme: "http",
            host: HeaderValue::from_static("play.example:8080"),
            peer: IpAddr::from([192, 0, 2, 1]),
            trusts_peer: false,
        }
    }
}
