//! Which port a request is for, by its host or its path. The token is hashed at once and nowhere kept.

use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::{HeaderMap, Request};

use crate::auth::port_token;
use crate::auth::token::TokenHash;
use crate::config::domain::PortsDomain;

/// Start of every path in the path form.
const PATH_START: &str = "/port/";

/// A port, as a request names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Of the text in the token's place, whatever it is.
    pub(super) hash: TokenHash,
    /// `None` when the text is no port.
    pub(super) port: Option<u16>,
    /// How it is named.
    pub(super) form: Form,
}

/// The two ways to name a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// A host of its own.
    Host,
    /// Below the site's host; what stands before the app's own path, without a slash at its end.
    Path {
        /// `/port/<token>/<port>`
        prefix: String,
    },
}

impl Address {
    /// The port that a request is for, if it is for one.
    pub(super) fn of(request: &Request<Incoming>, domain: &PortsDomain) -> Option<Self> {
        let host = host(request.uri().authority().map(|a| a.as_str()), request.headers());
        Self::by(host, request.uri().path(), domain)
    }

    /// The same by what was asked for: a host, and a path.
    pub(super) fn by(host: Option<&str>, path: &str, domain: &PortsDomain) -> Option<Self> {
        host.and_then(|host| by_host(host, domain)).or_else(|| by_path(path))
    }
}

/// What the client asked for by name: HTTP/2 has it in the address, HTTP/1 in a header.
pub(super) fn host<'a>(authority: Option<&'a str>, headers: &'a HeaderMap) -> Option<&'a str> {
    authority.or_else(|| headers.get(HOST)?.to_str().ok())
}

fn by_host(host: &str, domain: &PortsDomain) -> Option<Address> {
    let label = domain.label_of(host)?;
    let (port, token) = label.split_once('-').unwrap_or(("", label));
    let is_port = port.bytes().next().is_some_and(|first| first.is_ascii_digit());
    // Other names below the site's own domain are the site's.
    (is_port || domain.is_apart()).then(|| Address {
        hash: port_token::hash(token),
        port: port_number(port),
        form: Form::Host,
    })
}

fn by_path(path: &str) -> Option<Address> {
    let rest = path.strip_prefix(PATH_START)?;
    let (token, rest) = rest.split_once('/').unwrap_or((rest, ""));
    let port = rest.split('/').next().unwrap_or_default();
    let prefix = path.get(..PATH_START.len() + token.len() + 1 + port.len()).unwrap_or(path).to_owned();
    Some(Address { hash: port_token::hash(token), port: port_number(port), form: Form::Path { prefix } })
}

/// The one spelling of a port: decimal digits without a leading zero.
fn port_number(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TOKEN: &str = "abcdefghijklmnopqrstuvwxy4";

    fn domain(ports: Option<&str>) -> PortsDomain {
        PortsDomain::parse(None, ports.map(str::to_owned)).unwrap()
    }

    #[test]
    fn a_host_names_a_port() {
        let found = by_host(&format!("8080-{TOKEN}.localhost:80"), &domain(None)).unwrap();
        assert_eq!((found.port, found.hash), (Some(8080), port_token::hash(TOKEN)));
        for site in ["localhost", "play.localhost:8080", "127.0.0.1", "", "[::1]:80"] {
            assert!(by_host(site, &domain(None)).is_none(), "{site}");
        }
        assert_eq!(by_host("0080-x.localhost", &domain(None)).unwrap().port, None);
        assert_eq!(by_host("70000-x.localhost", &domain(None)).unwrap().port, None);
        assert_eq!(by_host("anything.ports.example", &domain(Some("ports.example"))).unwrap().port, None);
        assert!(by_host("play.example", &domain(Some("ports.example"))).is_none());
    }

    #[test]
    fn a_path_names_a_port() {
        let found = by_path(&format!("/port/{TOKEN}/80/a/b")).unwrap();
        assert_eq!((found.port, found.hash), (Some(80), port_token::hash(TOKEN)));
        assert_eq!(found.form, Form::Path { prefix: format!("/port/{TOKEN}/80") });
        assert!(by_path("/ports/x/80/").is_none() && by_path("/").is_none());
        for wrong in ["/port/", "/port/x", "/port/x/", "/port/x/+8/", "/port//80/"] {
            assert!(by_path(wrong).is_some_and(|found| found.hash != port_token::hash(TOKEN)), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_prefix_is_the_start_of_its_path(path in "/port(/[a-z0-9é/]{0,40})?") {
            if let Some(Address { form: Form::Path { prefix }, .. }) = by_path(&path) {
                prop_assert!(path.starts_with(&prefix));
            }
        }
    }
}
