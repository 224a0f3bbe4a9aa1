//! One place that is asked: a registry itself, or a mirror of it. Builds its URLs and reads those that it gives.

use reqwest::Url;
use reqwest::header::{HeaderMap, LOCATION};
use sandlot_runtime::image::Reference;

use super::Error;

/// The registry of names that name none, and where it answers.
const HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// A registry or mirror.
#[derive(Debug, Clone)]
pub(super) struct Site {
    /// Scheme, host, port, and for a mirror the path before `/v2/`.
    pub(super) base: Url,
    /// The name it is known by, in messages and for credentials.
    pub(super) host: String,
    /// Whether it is a mirror, which the operator chose.
    pub(super) mirror: bool,
}

impl Site {
    /// The registry of this name.
    ///
    /// # Errors
    /// [`Error::NoSuchHost`] when the name is no host.
    pub(super) fn registry(name: &str, scheme: &str) -> Result<Self, Error> {
        let host = if name == HUB.0 { HUB.1 } else { name };
        let base = Url::parse(&format!("{scheme}://{host}/"));
        let base = base.map_err(|_| Error::NoSuchHost { host: name.to_owned() })?;
        Ok(Self { base, host: name.to_owned(), mirror: false })
    }

    /// The mirror at this URL.
    pub(super) fn mirror(base: &Url) -> Self {
        Self { base: base.clone(), host: shown_host(base), mirror: true }
    }

    /// Where a file is.
    pub(super) fn of_file(url: &Url) -> Self {
        Self { base: url.clone(), host: shown_host(url), mirror: false }
    }

    /// A URL of the distribution API; `tail` is what stands behind the repository.
    pub(super) fn url(&self, repository: &str, tail: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/v2/{repository}/{tail}", self.base.path().trim_end_matches('/')));
        url
    }

    /// Whether credentials for the site may go there.
    pub(super) fn is_home(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }

    /// The target of a `Location` header, relative to the URL that was asked.
    pub(super) fn location(&self, asked: &Url, headers: &HeaderMap) -> Option<Url> {
        let text = headers.get(LOCATION)?.to_str().ok()?;
        self.joined(asked, text)
    }

    /// A reference of the site's answer to another URL. A registry behind a proxy that ends TLS often names itself by
    /// `http`: it is reached as before.
    pub(super) fn joined(&self, asked: &Url, text: &str) -> Option<Url> {
        let mut url = asked.join(text).ok()?;
        url.set_username("").ok()?;
        url.set_password(None).ok()?;
        url.set_fragment(None);
        let itself = url.host() == self.base.host() && matches!(url.port(), None | Some(80));
        if itself && url.scheme() == "http" && self.base.scheme() == "https" && self.base.port().is_none() {
            url.set_port(None).ok()?;
            url.set_scheme("https").ok()?;
        }
        Some(url)
    }
}

/// Host, and port if it is not the scheme's own.
pub(super) fn shown_host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// What stands in a manifest's URL: the digest if there is one, else the tag.
pub(super) fn version(name: &Reference) -> String {
    let digest = name.digest().map(ToString::to_string);
    digest.or_else(|| name.tag().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_hub_answers_elsewhere_and_mirrors_may_have_a_path() {
        let hub = Site::registry("docker.io", "https").unwrap();
        assert_eq!(
            hub.url("library/a", "tags/list").as_str(),
            "https://registry-1.docker.io/v2/library/a/tags/list"
        );
        let mirror = Site::mirror(&Url::parse("http://cache.example:5000/hub/").unwrap());
        assert_eq!(mirror.url("a", "blobs/x").as_str(), "http://cache.example:5000/hub/v2/a/blobs/x");
        assert_eq!(mirror.host, "cache.example:5000");
    }

    #[test]
    fn a_location_keeps_to_tls_and_carries_no_user() {
        let site = Site::registry("reg.example", "https").unwrap();
        let asked = site.url("a", "blobs/uploads/");
        let joined = |text: &str| site.joined(&asked, text).unwrap().to_string();
        assert_eq!(joined("http://reg.example/v2/x"), "https://reg.example/v2/x");
        assert_eq!(joined("/v2/y?z=1"), "https://reg.example/v2/y?z=1");
        assert_eq!(joined("https://u:p@other.example/x#f"), "https://other.example/x");
        assert_eq!(joined("http://other.example/x"), "http://other.example/x");
        assert!(!site.is_home(&Url::parse("https://reg.example:444/").unwrap()));
    }
}
