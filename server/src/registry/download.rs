//! A file at a URL that is no registry's: what ADD names. By the same rules of where a client may go.

use bytes::Bytes;
use reqwest::header::LAST_MODIFIED;
use reqwest::{Method, Url};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::pace::Body;
use super::site::Site;
use super::transport::Call;
use super::{Client, Error};

/// Largest file that is fetched, in bytes.
const MAX_BYTES: u64 = 16 << 30;

/// A file on its way.
pub struct Download {
    body: Body,
    left: u64,
    host: String,
    /// `Last-Modified`, in seconds since 1970.
    pub changed: Option<u64>,
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Download").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Client {
    /// Asks for what is at an `http` or `https` URL. Nothing of ours goes along but the program's name.
    ///
    /// # Errors
    /// When the URL is none, leads where this client may not go, or the answer is not a file.
    pub async fn download(&self, text: &str) -> Result<Download, Error> {
        let url =
            Url::parse(text).map_err(|_| Error::NoSuchHost { host: text.chars().take(100).collect() })?;
        let site = Site::of_file(&url);
        let call = Call { plain: true, ..Call::new(Method::GET, url, "the file") };
        let transport = &self.shared.transport;
        let response = transport.follow(&site, &call, None).await?;
        let status = response.status();
        if !status.is_success() {
            let (what, host) = (call.what, site.host);
            let detail = format!("it answers with status {}", status.as_u16());
            return Err(Error::Protocol { what, host, detail });
        }
        let header = response.headers().get(LAST_MODIFIED).and_then(|value| value.to_str().ok());
        let changed =
            header.and_then(|text| OffsetDateTime::parse(&text.replace("GMT", "+0000"), &Rfc2822).ok());
        let changed = changed.and_then(|time| u64::try_from(time.unix_timestamp()).ok());
        let body = Body::new(response, &transport.timing, &call.what, &site.host);
        Ok(Download { body, left: MAX_BYTES, host: site.host, changed })
    }
}

impl Download {
    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// When the connection breaks, is too slow, or more comes than is taken.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let chunk = self.body.chunk().await?;
        let length = chunk.as_ref().map_or(0, |bytes| bytes.len() as u64);
        match self.left.checked_sub(length) {
            Some(left) => self.left = left,
            None => {
                let (what, host) = ("the file".to_owned(), self.host.clone());
                return Err(Error::TooLarge { what, host, limit: MAX_BYTES });
            }
        }
        Ok(chunk)
    }
}
