//! Manifests and indexes: fetched whole, within a bound, and proved by their digest (distribution spec, "Pulling manifests").

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Response};
use sandlot_runtime::image::{Digest, Hasher, Reference};

use super::exchange::{pull_scope, push_scope};
use super::pace::Body;
use super::site::{Site, version};
use super::transport::Call;
use super::{Client, Error, media};

/// Longest manifest, in bytes; the specification wants at least this much to be accepted.
pub const MAX_MANIFEST_BYTES: usize = 4 * 1024 * 1024;
/// The registry's own word on the digest of what it sends.
const CONTENT_DIGEST: &str = "docker-content-digest";

/// A manifest or index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// As it came; the digest is over these.
    pub bytes: Vec<u8>,
    /// One of the four of OCI and Docker.
    pub media_type: String,
    /// The one asked for, else the SHA-256 of the bytes.
    pub digest: Digest,
}

/// What a registry says about a manifest without sending it. Not proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its digest, where the registry tells.
    pub digest: Option<Digest>,
    /// Its size in bytes, where the registry tells.
    pub size: Option<u64>,
    /// Its kind, where the registry tells.
    pub media_type: Option<String>,
}

impl Client {
    /// Fetches the manifest or index of a name, by its digest if it has one, else by its tag; from the first mirror that
    /// has it, else from the registry.
    ///
    /// # Errors
    /// By kind; with mirrors, the registry's own.
    pub async fn manifest(&self, name: &Reference) -> Result<Fetched, Error> {
        for mirror in self.mirrors(name.registry()) {
            match self.manifest_at(&mirror, name).await {
                Ok(fetched) => return Ok(fetched),
                Err(error) => tracing::debug!(mirror = mirror.host, %error, "leave the mirror"),
            }
        }
        self.manifest_at(&self.site(name.registry()).await?, name).await
    }

    async fn manifest_at(&self, site: &Site, name: &Reference) -> Result<Fetched, Error> {
        let call = manifest_call(Method::GET, site, name);
        let response = self.send(site, &pull_scope(name.repository()), &call).await?;
        let headers = response.headers().clone();
        let body = Body::new(response, &self.shared.transport.timing, &call.what, &site.host);
        let bytes = body.read(MAX_MANIFEST_BYTES).await?;
        let digest = prove(name.digest(), &headers, &bytes, &call.what, &site.host)?;
        let media_type = media::media_type(header(&headers, CONTENT_TYPE.as_str()), &bytes)
            .map_err(|detail| Error::Protocol { what: call.what, host: site.host.clone(), detail })?;
        Ok(Fetched { bytes, media_type, digest })
    }

    /// Whether a manifest is there, as the registry itself says; `None` if it is not.
    ///
    /// # Errors
    /// By kind.
    pub async fn find_manifest(&self, name: &Reference) -> Result<Option<Found>, Error> {
        let site = self.site(name.registry()).await?;
        let call = manifest_call(Method::HEAD, &site, name);
        let response = self.find(&site, &pull_scope(name.repository()), &call).await?;
        Ok(response.as_ref().map(found))
    }

    /// Puts a manifest or index under the tag of the name, or under its digest. All that it names must be there.
    /// The answer's headers come back.
    pub(super) async fn put_manifest(
        &self,
        to: &Reference,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<HeaderMap, Error> {
        let site = self.site(to.registry()).await?;
        let mut call = manifest_call(Method::PUT, &site, to);
        call.headers.remove(ACCEPT);
        let against = |detail: &str| Error::Protocol {
            what: call.what.clone(),
            host: site.host.clone(),
            detail: detail.to_owned(),
        };
        let kind = HeaderValue::from_str(media_type)
            .map_err(|_| against("the media type cannot stand in a header"))?;
        call.headers.insert(CONTENT_TYPE, kind);
        call.body = bytes.to_vec().into();
        let response = self.send(&site, &push_scope(to.repository()), &call).await?;
        let headers = response.headers().clone();
        prove(to.digest(), &headers, bytes, &call.what, &site.host)?;
        Ok(headers)
    }
}

fn manifest_call(method: Method, site: &Site, name: &Reference) -> Call {
    let url = site.url(name.repository(), &format!("manifests/{}", version(name)));
    let mut call = Call::new(method, url, &format!("manifest `{name}`"));
    call.headers.insert(ACCEPT, HeaderValue::from_static(media::ACCEPT));
    call
}

fn found(response: &Response) -> Found {
    let headers = response.headers();
    Found {
        digest: header(headers, CONTENT_DIGEST).and_then(|text| text.parse().ok()),
        size: header(headers, "content-length").and_then(|text| text.parse().ok()),
        media_type: header(headers, CONTENT_TYPE.as_str()).map(str::to_owned),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The digest of content, which must be the one asked for and the one that the registry names.
fn prove(
    asked: Option<&Digest>,
    headers: &HeaderMap,
    bytes: &[u8],
    what: &str,
    host: &str,
) -> Result<Digest, Error> {
    let told = header(headers, CONTENT_DIGEST).and_then(|text| text.parse::<Digest>().ok());
    for expected in asked.into_iter().chain(told.as_ref()) {
        let found = digest_like(expected, bytes);
        if found != *expected {
            let (what, host) = (what.to_owned(), host.to_owned());
            return Err(Error::Mismatch {
                what,
                host,
                expected: Box::new(expected.clone()),
                found: Box::new(found),
            });
        }
    }
    Ok(asked.cloned().unwrap_or_else(|| Digest::of(bytes)))
}

fn digest_like(other: &Digest, bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new(other.algorithm());
    hasher.update(bytes);
    hasher.finish()
}
