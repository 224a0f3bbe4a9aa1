//! Whether a request that a browser makes comes from a page of ours.
//!
//! Browsers send `Origin` with every upgrade and with every request that changes something; a program sends none and
//! needs none, as it holds a secret that no browser adds by itself.

/// Where a request says it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A page of this site.
    Own,
    /// A page of another site, or one that hides its origin.
    Foreign,
    /// It does not say.
    Unsaid,
}

/// The headers that decide.
#[derive(Debug, Clone, Copy, Default)]
pub struct Headers<'a> {
    /// `Origin`.
    pub origin: Option<&'a str>,
    /// `Host`.
    pub host: Option<&'a str>,
    /// `Sec-Fetch-Site`.
    pub fetch_site: Option<&'a str>,
    /// Whether the request is known to have come by HTTPS: a page without TLS, which anybody on its way may have
    /// written, is another site's then.
    pub is_https: bool,
}

/// Decides. The origin must be the configured public one, or have the host and port that the request was sent to.
pub fn source(headers: Headers<'_>, public_url: Option<&str>) -> Source {
    match (headers.origin, headers.fetch_site) {
        (Some(origin), _) if is_own(origin, headers, public_url) => Source::Own,
        (Some(_), _) => Source::Foreign,
        (None, Some("same-origin")) => Source::Own,
        (None, Some("none")) | (None, None) => Source::Unsaid,
        (None, Some(_)) => Source::Foreign,
    }
}

fn is_own(origin: &str, headers: Headers<'_>, public_url: Option<&str>) -> bool {
    if public_url.is_some_and(|url| url.eq_ignore_ascii_case(origin)) {
        return true;
    }
    let plain = origin.strip_prefix("http://").filter(|_| !headers.is_https);
    let authority = plain.or_else(|| origin.strip_prefix("https://"));
    matches!((authority, headers.host), (Some(authority), Some(host)) if authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(origin: Option<&str>, fetch_site: Option<&str>) -> Source {
        let headers = Headers { origin, host: Some("lab.example:8080"), fetch_site, is_https: false };
        source(headers, Some("https://play.example"))
    }

    #[test]
    fn only_pages_of_this_site_are_own() {
        assert_eq!(of(Some("http://lab.example:8080"), None), Source::Own);
        assert_eq!(of(Some("https://play.example"), Some("same-origin")), Source::Own);
        assert_eq!(of(Some("http://lab.example"), None), Source::Foreign);
        assert_eq!(of(Some("https://evil.example"), Some("same-origin")), Source::Foreign);
        assert_eq!(of(Some("null"), None), Source::Foreign);
        assert_eq!(of(None, Some("cross-site")), Source::Foreign);
        assert_eq!(of(None, Some("same-origin")), Source::Own);
        assert_eq!(of(None, None), Source::Unsaid);
    }

    #[test]
    fn a_page_without_tls_is_foreign_to_a_site_with_it() {
        let of = |origin| {
            let headers = Headers { origin: Some(origin), host: Some("x.example"), ..Headers::default() };
            source(Headers { is_https: true, ..headers }, None)
        };
        assert_eq!(of("https://x.example"), Source::Own);
        assert_eq!(of("http://x.example"), Source::Foreign);
    }
}
