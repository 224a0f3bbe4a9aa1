//! A blob on its way here: bounded by the size that its descriptor promised, taken up again where the connection broke.

use bytes::Bytes;
use reqwest::header::{CONTENT_RANGE, HeaderMap, HeaderValue, RANGE};
use reqwest::{Method, Response, StatusCode};
use sandlot_runtime::image::{Digest, Reference};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::backoff::Backoff;
use super::exchange::pull_scope;
use super::pace::Body;
use super::site::Site;
use super::transport::Call;
use super::{Client, Error};

/// So much progress makes up for all broken connections before it, in bytes.
const PROGRESS_BYTES: u64 = 1024 * 1024;

/// A blob that is being read, from an offset to its end. One piece is in memory at a time. Its digest is not proved here:
/// whoever stores the bytes hashes them.
pub struct Blob {
    client: Client,
    /// Who is asked now, and who next, from the end.
    sites: Vec<Site>,
    repository: String,
    digest: Digest,
    what: String,
    size: u64,
    /// Bytes of the blob that are behind the reader.
    offset: u64,
    /// The open answer, if any.
    body: Option<Open>,
    resumes: Backoff,
    /// Bytes since the last broken connection.
    progress: u64,
}

/// An answer that gives the blob.
struct Open {
    body: Body,
    /// Bytes that come although they were not asked for.
    skip: u64,
    /// Whether the answer said where it ends.
    sized: bool,
}

impl Client {
    /// Opens a blob of a repository at an offset, to be read to `size`, what its descriptor says; mirrors are asked first.
    ///
    /// # Errors
    /// By kind, when nobody gives it.
    pub async fn blob(&self, of: &Reference, digest: &Digest, size: u64, offset: u64) -> Result<Blob, Error> {
        let mut sites = vec![self.site(of.registry()).await?];
        sites.extend(self.mirrors(of.registry()).into_iter().rev());
        let timing = &self.shared.transport.timing;
        let mut blob = Blob {
            client: self.clone(),
            sites,
            repository: of.repository().to_owned(),
            digest: digest.clone(),
            what: format!("blob `{digest}`"),
            size,
            offset: offset.min(size),
            body: None,
            resumes: Backoff::new(timing, timing.resumes),
            progress: 0,
        };
        blob.open().await?;
        Ok(blob)
    }

    /// Whether the registry itself has a blob in a repository.
    ///
    /// # Errors
    /// By kind.
    pub async fn has_blob(&self, of: &Reference, digest: &Digest) -> Result<bool, Error> {
        let site = self.site(of.registry()).await?;
        let url = site.url(of.repository(), &format!("blobs/{digest}"));
        let call = Call::new(Method::HEAD, url, &format!("blob `{digest}`"));
        Ok(self.find(&site, &pull_scope(of.repository()), &call).await?.is_some())
    }
}

impl Blob {
    /// How far the reader is, in bytes of the blob.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next bytes; `None` at the end. Broken and stalled connections are taken up again.
    ///
    /// # Errors
    /// [`Error::TooLarge`] when more comes than was promised; else by kind, after the last resume and the last mirror.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if self.offset == self.size {
                self.end().await?;
                return Ok(None);
            }
            match self.read().await {
                Ok(bytes) => return Ok(Some(bytes)),
                Err(Error::Connection { detail, .. }) => self.recover(self.broken_here(&detail)).await?,
                Err(error) => self.recover(error).await?,
            }
        }
    }

    /// Writes the rest to `to`; `progress` is told the offset after each piece.
    ///
    /// # Errors
    /// As [`Self::chunk`]; [`Error::Content`] when it cannot be written.
    pub async fn copy_to<W: AsyncWrite + Unpin>(
        &mut self,
        to: &mut W,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), Error> {
        while let Some(bytes) = self.chunk().await? {
            let written = to.write_all(&bytes).await;
            written.map_err(|source| Error::Content { action: "write", what: self.what.clone(), source })?;
            progress(self.offset);
        }
        Ok(())
    }

    /// Some bytes of the open answer, at least one.
    async fn read(&mut self) -> Result<Bytes, Error> {
        loop {
            let Some(open) = &mut self.body else { return Err(self.broken("no connection is open")) };
            let Some(mut bytes) = open.body.chunk().await? else {
                return Err(self.broken("it ended too early"));
            };
            let skipped = open.skip.min(bytes.len() as u64);
            open.skip -= skipped;
            bytes = bytes.slice(usize::try_from(skipped).unwrap_or(bytes.len())..);
            if bytes.len() as u64 > self.size - self.offset {
                return Err(self.too_large());
            }
            if !bytes.is_empty() {
                self.advance(bytes.len() as u64);
                return Ok(bytes);
            }
        }
    }

    fn advance(&mut self, bytes: u64) {
        self.offset += bytes;
        self.progress += bytes;
        if self.progress >= PROGRESS_BYTES {
            let timing = &self.client.shared.transport.timing;
            (self.progress, self.resumes) = (0, Backoff::new(timing, timing.resumes));
        }
    }

    /// An answer that did not say where it ends must end here.
    async fn end(&mut self) -> Result<(), Error> {
        let Some(mut open) = self.body.take().filter(|open| !open.sized) else { return Ok(()) };
        match open.body.chunk().await {
            Ok(Some(bytes)) if !bytes.is_empty() => Err(self.too_large()),
            // All bytes are here; how the connection ends does not matter.
            _ => Ok(()),
        }
    }

    /// After a failure: the same place again, else the next one, else the failure.
    async fn recover(&mut self, error: Error) -> Result<(), Error> {
        self.body = None;
        self.progress = 0;
        let wait = if error.is_transient() { self.resumes.next(None) } else { None };
        match wait {
            Some(wait) => {
                tracing::debug!(blob = %self.digest, offset = self.offset, %error, "resume the blob");
                tokio::time::sleep(wait).await;
            }
            None => self.leave(error)?,
        }
        self.open().await
    }

    /// Gives up on the place that is asked now.
    fn leave(&mut self, error: Error) -> Result<(), Error> {
        let left = if self.sites.len() > 1 { self.sites.pop() } else { None };
        let Some(site) = left else { return Err(error) };
        tracing::debug!(mirror = site.host, %error, "leave the mirror");
        let timing = &self.client.shared.transport.timing;
        self.resumes = Backoff::new(timing, timing.resumes);
        Ok(())
    }

    /// Asks for the rest, one place after the other.
    async fn open(&mut self) -> Result<(), Error> {
        while self.offset < self.size {
            match self.open_here().await {
                Ok(open) => {
                    self.body = Some(open);
                    return Ok(());
                }
                Err(error) => self.leave(error)?,
            }
        }
        Ok(())
    }

    async fn open_here(&self) -> Result<Open, Error> {
        let site = self.site()?;
        let mut call =
            Call::new(Method::GET, site.url(&self.repository, &format!("blobs/{}", self.digest)), &self.what);
        if self.offset > 0 {
            let range = HeaderValue::from_str(&format!("bytes={}-", self.offset));
            call.headers.insert(RANGE, range.map_err(|_| self.broken("no range"))?);
        }
        let response = self.client.send(site, &pull_scope(&self.repository), &call).await?;
        let skip = self.start_of(&response)?;
        let expected = self.size - self.offset + skip;
        let length = response.content_length();
        match length {
            Some(length) if length > expected => return Err(self.too_large()),
            Some(length) if length < expected => {
                return Err(self.against(format!("it has {length} bytes of {expected}")));
            }
            _ => {}
        }
        let body = Body::new(response, &self.client.shared.transport.timing, &self.what, &site.host);
        Ok(Open { body, skip, sized: length.is_some() })
    }

    /// How many bytes of the answer are before the offset (RFC 9110, section 14): a server may ignore ranges.
    fn start_of(&self, response: &Response) -> Result<u64, Error> {
        match response.status() {
            StatusCode::OK => Ok(self.offset),
            StatusCode::PARTIAL_CONTENT if self.offset > 0 => {
                let right = content_range(response.headers()) == Some((self.offset, self.size));
                if right {
                    Ok(0)
                } else {
                    Err(self.against("it sends another range than asked for".to_owned()))
                }
            }
            status => Err(self.against(format!("status {} makes no sense here", status.as_u16()))),
        }
    }

    fn site(&self) -> Result<&Site, Error> {
        self.sites.last().ok_or_else(|| self.broken("nobody is left to ask"))
    }

    fn host(&self) -> String {
        self.sites.last().map(|site| site.host.clone()).unwrap_or_default()
    }

    fn broken(&self, detail: &str) -> Error {
        Error::Connection { what: self.what.clone(), host: self.host(), detail: detail.to_owned() }
    }

    fn broken_here(&self, detail: &str) -> Error {
        self.broken(&format!("{detail}, after {} of {} bytes", self.offset, self.size))
    }

    fn against(&self, detail: String) -> Error {
        Error::Protocol { what: self.what.clone(), host: self.host(), detail }
    }

    fn too_large(&self) -> Error {
        Error::TooLarge { what: self.what.clone(), host: self.host(), limit: self.size }
    }
}

/// First byte and whole size of `bytes FIRST-LAST/SIZE`, where the range goes to the end and the size is told or not.
fn content_range(headers: &HeaderMap) -> Option<(u64, u64)> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?.trim().strip_prefix("bytes ")?;
    let (range, size) = text.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let end = last.trim().parse::<u64>().ok()?.checked_add(1)?;
    let size = if size.trim() == "*" { end } else { size.trim().parse().ok()? };
    (end == size).then_some((first.trim().parse().ok()?, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_when_it_goes_to_the_end() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_RANGE, text.parse().unwrap());
            content_range(&headers)
        };
        assert_eq!(read("bytes 5-9/10"), Some((5, 10)));
        assert_eq!(read("bytes 5-9/*"), Some((5, 10)));
        for bad in
            ["bytes 5-8/10", "bytes */10", "items 5-9/10", "bytes 5-18446744073709551615/10", "bytes -/"]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
