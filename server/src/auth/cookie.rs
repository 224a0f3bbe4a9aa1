//! Names of the cookies that prove an owner; whatever passes requests on takes them out by these.

const PLAIN: &str = "sandlot_";
/// Browsers take such a cookie from the host itself only, over HTTPS: a port of a session, which is a host beside ours,
/// cannot put one of its own in its place (RFC 6265bis, 4.1.3.2).
const OF_THIS_HOST: &str = "__Host-sandlot_";

/// Name of the cookie of a session.
pub fn name(session: &str, is_https: bool) -> String {
    let prefix = if is_https { OF_THIS_HOST } else { PLAIN };
    format!("{prefix}{session}")
}

/// Whether a cookie of this name may be one of ours.
pub fn is_ours(name: &str) -> bool {
    // Browsers compare such prefixes without their case.
    let starts = |prefix: &str| name.get(..prefix.len()).is_some_and(|s| s.eq_ignore_ascii_case(prefix));
    starts(PLAIN) || starts(OF_THIS_HOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_names_are_ours() {
        assert!(is_ours(&name("x", true)) && is_ours(&name("x", false)) && is_ours("__host-SANDLOT_x"));
        assert!(!is_ours("sandlot") && !is_ours("other_sandlot_x"));
    }
}
