//! The head of an answer, from what the app sent to what the browser gets.

use hyper::HeaderMap;
use hyper::header::{
    ALT_SVC, CONTENT_LOCATION, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, LOCATION, REFERRER_POLICY,
    REFRESH, STRICT_TRANSPORT_SECURITY,
};

use super::visit::Visit;
use super::{cookie, location, request};

/// A page in the path form has an origin of its own, which is nobody's.
const SANDBOX: HeaderValue =
    HeaderValue::from_static("sandbox allow-scripts allow-forms allow-popups allow-modals allow-downloads");

/// What an app may not say about the host that it shares with others.
const NEVER: [HeaderName; 2] = [HeaderName::from_static("clear-site-data"), ALT_SVC];
/// What speaks of a whole host, and so not of a part of ours.
const NEVER_BELOW_A_PATH: [HeaderName; 6] = [
    STRICT_TRANSPORT_SECURITY,
    HeaderName::from_static("service-worker-allowed"),
    HeaderName::from_static("nel"),
    HeaderName::from_static("report-to"),
    HeaderName::from_static("reporting-endpoints"),
    HeaderName::from_static("public-key-pins"),
];

/// Makes the answer of the app one of its address.
pub(super) fn rewrite(headers: &mut HeaderMap, visit: &Visit) {
    request::drop_hop_by_hop(headers);
    for name in NEVER {
        headers.remove(name);
    }
    cookie::own(headers, visit.prefix.as_deref());
    for name in [LOCATION, CONTENT_LOCATION, REFRESH] {
        move_target(headers, name, visit);
    }
    if visit.prefix.is_some() {
        for name in NEVER_BELOW_A_PATH {
            headers.remove(name);
        }
        headers.append(CONTENT_SECURITY_POLICY, SANDBOX);
    }
    // The address holds the token.
    headers.entry(REFERRER_POLICY).or_insert(HeaderValue::from_static("same-origin"));
}

fn move_target(headers: &mut HeaderMap, name: HeaderName, visit: &Visit) {
    let Some(text) = headers.get(&name).and_then(|value| value.to_str().ok()) else { return };
    let moved = if name == REFRESH { location::refresh(text, visit) } else { location::moved(text, visit) };
    if let Some(value) = moved.and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.insert(name, value);
    }
}
