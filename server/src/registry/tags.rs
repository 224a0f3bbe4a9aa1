//! The tags of a repository (distribution spec, "Content discovery"), page by page and bounded.

use reqwest::header::{HeaderMap, LINK};
use reqwest::{Method, Url};
use sandlot_runtime::image::Reference;
use serde::Deserialize;

use super::exchange::pull_scope;
use super::manifest::MAX_MANIFEST_BYTES;
use super::pace::Body;
use super::transport::Call;
use super::{Client, Error};

/// Asked for at once.
const PAGE_TAGS: usize = 1000;
/// Most tags that are listed, and most pages.
const MAX_TAGS: usize = 20_000;
const MAX_PAGES: usize = 200;

#[derive(Deserialize)]
struct Page {
    /// Some registries say `null` for none.
    #[serde(default)]
    tags: Option<Vec<String>>,
}

impl Client {
    /// All tags of a name's repository, in the registry's order.
    ///
    /// # Errors
    /// [`Error::TooLarge`] when there are more than 20,000; else by kind.
    pub async fn tags(&self, of: &Reference) -> Result<Vec<String>, Error> {
        let site = self.site(of.registry()).await?;
        let what = format!("tags of `{}`", of.repository());
        let (host, scope) = (site.host.clone(), pull_scope(of.repository()));
        let mut url = site.url(of.repository(), "tags/list");
        url.query_pairs_mut().append_pair("n", &PAGE_TAGS.to_string());
        let mut tags = Vec::new();
        for _ in 0..MAX_PAGES {
            let response = self.send(&site, &scope, &Call::new(Method::GET, url.clone(), &what)).await?;
            let next = next_page(response.headers()).and_then(|link| site.joined(&url, &link));
            let body = Body::new(response, &self.shared.transport.timing, &what, &host);
            let page: Page = serde_json::from_slice(&body.read(MAX_MANIFEST_BYTES).await?).map_err(|_| {
                Error::Protocol {
                    what: what.clone(),
                    host: host.clone(),
                    detail: "it sends no list".to_owned(),
                }
            })?;
            tags.extend(page.tags.unwrap_or_default());
            match next.filter(|next: &Url| *next != url && tags.len() <= MAX_TAGS) {
                Some(next) => url = next,
                None if tags.len() <= MAX_TAGS => return Ok(tags),
                None => break,
            }
        }
        Err(Error::TooLarge { what, host, limit: MAX_TAGS as u64 })
    }
}

/// The target of `<TARGET>; rel="next"` (RFC 8288).
fn next_page(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(LINK)?.to_str().ok()?;
    let (target, parameters) = text.trim().strip_prefix('<')?.split_once('>')?;
    let is_next = parameters.split(';').any(|p| p.trim().replace('"', "").eq_ignore_ascii_case("rel=next"));
    is_next.then(|| target.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_read() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(LINK, text.parse().unwrap());
            next_page(&headers)
        };
        assert_eq!(
            read(r#"</v2/a/tags/list?n=1&last=b>; rel="next""#).unwrap(),
            "/v2/a/tags/list?n=1&last=b"
        );
        assert_eq!(read("<x>; rel=next").unwrap(), "x");
        assert_eq!(read(r#"<x>; rel="prev""#), None);
        assert_eq!(read("x; rel=next"), None);
    }
}
