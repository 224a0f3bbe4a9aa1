//! Names of the site's own cookies. No app behind a port ever gets or sets one of them.

/// What is in every name, in whatever case.
pub const MARK: &str = "sandlot_";
const PLAIN: &str = MARK;
/// Browsers take such a cookie from the host itself only, over HTTPS: a port of a session, which is a host beside ours,
/// cannot put one of its own in its place (RFC 6265bis, 4.1.3.2).
const OF_THIS_HOST: &str = "__Host-sandlot_";

/// Name of the cookie of a session's owner.
pub fn name(session: &str, is_https: bool) -> String {
    let prefix = if is_https { OF_THIS_HOST } else { PLAIN };
    format!("{prefix}{session}")
}

/// Name of the cookie of a private port's host: its grant. No session is called so.
pub fn port_grant(is_https: bool) -> String {
    name("port", is_https)
}

/// Whether a cookie of this name may be one of ours.
pub fn is_ours(name: &str) -> bool {
    // Browsers compare such prefixes without their case.
    let starts = |prefix: &str| name.get(..prefix.len()).is_some_and(|s| s.eq_ignore_ascii_case(prefix));
    starts(PLAIN) || starts(OF_THIS_HOST)
}

/// The value of the cookie `name` in these `Cookie` headers.
pub fn find<'a>(headers: impl Iterator<Item = &'a str>, name: &str) -> Option<&'a str> {
    find_all(headers, name).next()
}

/// All values of the cookie: without HTTPS a host beside ours may have put another one before the right one.
pub fn find_all<'a>(headers: impl Iterator<Item = &'a str>, name: &str) -> impl Iterator<Item = &'a str> {
    let pairs = headers.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(key, _)| *key == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_names_are_ours() {
        assert!(is_ours(&name("x", true)) && is_ours(&name("x", false)) && is_ours("__host-SANDLOT_x"));
        assert!(is_ours(&port_grant(true)) && is_ours(&port_grant(false)));
        assert_eq!(
            find_all(["a=1; sandlot_port=x", "sandlot_port=y"].into_iter(), "sandlot_port").count(),
            2
        );
        assert!(!is_ours("sandlot") && !is_ours("other_sandlot_x"));
    }
}
