//! Cookies between a browser and an app: the site's own never pass, and an app's stay with its own address.

use hyper::HeaderMap;
use hyper::header::{COOKIE, HeaderValue, SET_COOKIE};

use super::request::cookie_text;
use crate::auth::cookie;

/// Takes the site's cookies out of a request, and makes one header of the others.
pub(super) fn without_ours(headers: &mut HeaderMap) {
    let mut values = headers.get_all(COOKIE).iter();
    let first = values.next().map(HeaderValue::as_bytes);
    let is_one = values.next().is_none();
    if first.is_none_or(|first| is_one && !may_be_ours(first)) {
        return;
    }
    let text = cookie_text(headers).unwrap_or_default();
    let kept: Vec<&str> = text.split(';').map(str::trim).filter(|pair| !is_ours(pair)).collect();
    headers.remove(COOKIE);
    if let Ok(value) = HeaderValue::try_from(kept.join("; "))
        && !kept.is_empty()
    {
        headers.insert(COOKIE, value);
    }
}

/// Whether there is anything to look for: a cookie of ours has this in its name.
fn may_be_ours(text: &[u8]) -> bool {
    text.windows(cookie::MARK.len()).any(|window| window.eq_ignore_ascii_case(cookie::MARK.as_bytes()))
}

/// Whether a pair `name=value` has a name of ours, or none and a value that is sent back like one of ours.
fn is_ours(pair: &str) -> bool {
    cookie::is_ours(pair.trim_start_matches(|c: char| c == '=' || c.is_whitespace()))
}

/// Makes the cookies that an app sets its own: for its host only and, in the path form, below its path.
pub(super) fn own(headers: &mut HeaderMap, prefix: Option<&str>) {
    if !headers.contains_key(SET_COOKIE) {
        return;
    }
    let values: Vec<HeaderValue> = headers.get_all(SET_COOKIE).iter().cloned().collect();
    headers.remove(SET_COOKIE);
    for value in values {
        let owned = value.to_str().ok().filter(|text| !is_ours(text)).map(|text| owned(text, prefix));
        headers
            .extend(owned.and_then(|text| HeaderValue::try_from(text).ok()).map(|value| (SET_COOKIE, value)));
    }
}

fn owned(text: &str, prefix: Option<&str>) -> String {
    let mut parts = text.split(';');
    let mut kept = parts.next().unwrap_or_default().trim().to_owned();
    let mut path = String::from("/");
    for part in parts {
        let (name, value) = part.trim().split_once('=').unwrap_or((part.trim(), ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "domain" => {}
            "path" if prefix.is_some() => value.trim().clone_into(&mut path),
            _ => {
                kept.push_str("; ");
                kept.push_str(part.trim());
            }
        }
    }
    if let Some(prefix) = prefix {
        let below = if path.starts_with('/') { path.as_str() } else { "/" };
        kept.push_str("; Path=");
        kept.push_str(prefix);
        kept.push_str(below);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(cookies: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(COOKIE, cookie.parse().unwrap());
        }
        without_ours(&mut headers);
        assert!(headers.get_all(COOKIE).iter().count() <= 1);
        headers.get(COOKIE).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn ours_do_not_reach_an_app() {
        assert_eq!(request(&["a=1; sandlot_ab=x; b=2"]).as_deref(), Some("a=1; b=2"));
        assert_eq!(request(&["sandlot_port=x"]), None);
        assert_eq!(request(&["a=1", "b=2", " sandlot_x=3"]).as_deref(), Some("a=1; b=2"));
        assert_eq!(request(&["a=sandlot_"]).as_deref(), Some("a=sandlot_"));
        assert_eq!(request(&[]), None);
    }

    #[test]
    fn an_apps_cookies_stay_with_it() {
        assert_eq!(owned("a=1; Domain=example.org; HttpOnly", None), "a=1; HttpOnly");
        assert_eq!(owned("a=1; path=/x; Secure", Some("/port/t/80")), "a=1; Secure; Path=/port/t/80/x");
        assert_eq!(owned("a=1; Path=x; domain=.a.b", Some("/p")), "a=1; Path=/p/");
        let mut headers = HeaderMap::new();
        headers.append(SET_COOKIE, "sandlot_ab=evil; Path=/".parse().unwrap());
        headers.append(SET_COOKIE, "b=2".parse().unwrap());
        own(&mut headers, None);
        assert_eq!(headers.get_all(SET_COOKIE).iter().collect::<Vec<_>>(), ["b=2"]);
    }
}
