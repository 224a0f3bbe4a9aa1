//! The head of a request, from what the client sent to what the app gets.

use std::fmt::Write;

use hyper::header::{
    CONNECTION, COOKIE, EXPECT, FORWARDED, HOST, HeaderName, HeaderValue, ORIGIN, PROXY_AUTHORIZATION,
    REFERER, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use hyper::{HeaderMap, Request, Uri, Version};

use super::cookie;
use super::visit::Visit;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Makes the request one to the app.
pub(super) fn rewrite<B>(request: &mut Request<B>, visit: &Visit) {
    let upgrade = upgrade_of(request.headers(), request.version());
    *request.version_mut() = Version::HTTP_11;
    let target = target(request.uri(), visit.prefix.as_deref());
    if let Some(target) = target {
        *request.uri_mut() = target;
    }
    let headers = request.headers_mut();
    drop_hop_by_hop(headers);
    headers.remove(EXPECT);
    name_origin(headers, visit);
    headers.insert(HOST, app_host(visit));
    cookie::without_ours(headers);
    forward(headers, visit);
    if let Some(protocol) = upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol);
    }
}

/// The protocol that a client wants to go on with.
pub(super) fn upgrade_of(headers: &HeaderMap, version: Version) -> Option<HeaderValue> {
    let protocol = headers.get(UPGRADE)?;
    let names = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let wants =
        names.flat_map(|text| text.split(',')).any(|name| name.trim().eq_ignore_ascii_case("upgrade"));
    (wants && version == Version::HTTP_11).then(|| protocol.clone())
}

/// The app's own path; `None` when it stands there already.
fn target(uri: &Uri, prefix: Option<&str>) -> Option<Uri> {
    let whole = uri.path_and_query().map_or("/", |path| path.as_str());
    match prefix {
        Some(prefix) => {
            let rest = whole.strip_prefix(prefix).unwrap_or("/");
            // What was a part of a valid address is one itself.
            if rest.starts_with('/') { rest.parse().ok() } else { format!("/{rest}").parse().ok() }
        }
        None if uri.authority().is_some() => whole.parse().ok(),
        None => None,
    }
}

/// RFC 9110, 7.6.1: what is for the next hop only, and whatever `Connection` lists.
pub(super) fn drop_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let listed: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|text| text.split(','))
            .map(str::trim)
            .filter(|name| !name.eq_ignore_ascii_case("keep-alive") && !name.eq_ignore_ascii_case("close"))
            .filter_map(|name| name.parse().ok())
            .collect();
        for name in listed {
            headers.remove(name);
        }
        headers.remove(CONNECTION);
    }
    for name in [KEEP_ALIVE, PROXY_CONNECTION, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
}

fn app_host(visit: &Visit) -> HeaderValue {
    if visit.setting.rewrites_host {
        return HeaderValue::try_from(visit.own_host()).unwrap_or_else(|_| visit.host.clone());
    }
    visit.host.clone()
}

/// `Origin` and `Referer` as the app would see them without a proxy. What another page sent stays what it is.
fn name_origin(headers: &mut HeaderMap, visit: &Visit) {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let own = || visit.setting.rewrites_host.then(|| format!("http://{}", visit.own_host()));
    if let Some(origin) = text(ORIGIN) {
        let is_app = match visit.prefix {
            // A sandboxed page has no origin of its own.
            Some(_) => origin == "null",
            None => origin.eq_ignore_ascii_case(&visit.origin()),
        };
        if let Some(value) = own().filter(|_| is_app).and_then(|own| HeaderValue::try_from(own).ok()) {
            headers.insert(ORIGIN, value);
        }
    }
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let Some(referer) = text(REFERER) else { return };
    let below = referer.strip_prefix(&visit.origin()).map(|path| match &visit.prefix {
        Some(prefix) => path.strip_prefix(prefix.as_str()),
        None => Some(path),
    });
    match below {
        // A page of the site itself, whose address is a secret.
        Some(None) => drop(headers.remove(REFERER)),
        Some(Some(path)) if visit.prefix.is_some() || visit.setting.rewrites_host => {
            let origin = own().unwrap_or_else(|| visit.origin());
            match HeaderValue::try_from(format!("{origin}{path}")) {
                Ok(value) => drop(headers.insert(REFERER, value)),
                Err(_) => drop(headers.remove(REFERER)),
            }
        }
        _ => {}
    }
}

/// Who asked, and for what: a proxy that is trusted has said so, everybody else's word is replaced.
fn forward(headers: &mut HeaderMap, visit: &Visit) {
    headers.remove(FORWARDED);
    let mut chain = String::with_capacity(48);
    if visit.trusts_peer {
        for value in headers.get_all(&FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()) {
            chain.push_str(value);
            chain.push_str(", ");
        }
    } else {
        for name in [FORWARDED_PROTO, FORWARDED_HOST, FORWARDED_PORT, FORWARDED_PREFIX, REAL_IP] {
            headers.remove(name);
        }
    }
    // Writing to a string cannot fail.
    write!(chain, "{}", visit.peer).ok();
    headers.entry(FORWARDED_PROTO).or_insert(HeaderValue::from_static(visit.scheme));
    headers.entry(FORWARDED_HOST).or_insert_with(|| visit.host.clone());
    headers.entry(FORWARDED_PORT).or_insert_with(|| port_of(visit));
    headers.remove(FORWARDED_FOR);
    headers.extend(HeaderValue::try_from(chain).ok().map(|value| (FORWARDED_FOR, value)));
    if let Some(prefix) = visit.prefix.as_deref().and_then(|prefix| HeaderValue::from_str(prefix).ok()) {
        headers.insert(FORWARDED_PREFIX, prefix);
    }
}

fn port_of(visit: &Visit) -> HeaderValue {
    let host = visit.host();
    let named = host.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.ends_with(']'));
    let default = HeaderValue::from_static(if visit.scheme == "https" { "443" } else { "80" });
    named.and_then(|port| HeaderValue::from_str(port).ok()).unwrap_or(default)
}

/// HTTP/2 sends cookies in pieces; an app of HTTP/1 expects one header.
pub(super) fn cookie_text(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let first = values.next()?.to_owned();
    Some(values.fold(first, |all, next| format!("{all}; {next}")))
}
