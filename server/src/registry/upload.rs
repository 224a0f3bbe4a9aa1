//! A blob on its way to a registry (distribution spec, "Pushing blobs"): not at all if it is there, by a mount from
//! a repository beside it, in one request if it is short, else in pieces that can be taken up again.
//!
//! ```text
//! HEAD blob ----------------------> 200: done
//! POST uploads/?mount=..&from=.. -> 201: done | 202: an upload, at its Location
//! PUT Location?digest=   (short)    PATCH Location, Content-Range: ... (each piece) -> 202, next Location
//!                                   after a failure: GET Location -> 204, Range: 0-LAST; on from there, or anew
//! PUT Location?digest=   (the end) -> 201
//! ```

mod piece;

use reqwest::header::RANGE;
use reqwest::{Method, Response, StatusCode, Url};
use sandlot_runtime::image::{Digest, Reference};
use tokio::io::{AsyncRead, AsyncSeek};

use super::backoff::Backoff;
use super::exchange::{pull_scope, push_scope};
use super::site::Site;
use super::transport::Call;
use super::{Client, Error};

/// Pieces of a long upload where the settings have none, in bytes.
const DEFAULT_PIECE: u64 = 64 * 1024 * 1024;
/// The smallest piece that a registry takes, in its answer to the start.
const LEAST_PIECE: &str = "oci-chunk-min-length";

/// How a blob came to be at the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It was there.
    Existed,
    /// The registry took it from another repository.
    Mounted,
    /// It was sent.
    Uploaded,
}

/// What is to be pushed.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// The digest, which the registry will check.
    pub digest: &'a Digest,
    /// Bytes of the content.
    pub size: u64,
    /// A repository of the same registry that may have it.
    pub mount_from: Option<&'a str>,
}

/// One blob to one repository.
struct Upload<'a> {
    client: &'a Client,
    site: Site,
    scope: String,
    repository: &'a str,
    blob: Outgoing<'a>,
    what: String,
    /// Where the next piece goes; changes with each answer.
    url: Url,
    /// Bytes that the registry has.
    offset: u64,
    /// Bytes of a piece.
    piece: u64,
}

/// What came of the start.
enum Started {
    Done(Pushed),
    At { url: Url, least: u64 },
}

impl Client {
    /// Pushes a blob to the repository of a name. `content` is read from wherever the registry needs it; `progress` is told
    /// how far that is, in bytes, and may be told less after a failure.
    ///
    /// # Errors
    /// By kind; [`Error::Content`] when the content cannot be read, or is shorter than it should be.
    pub async fn push_blob<R: AsyncRead + AsyncSeek + Unpin + Send>(
        &self,
        to: &Reference,
        blob: Outgoing<'_>,
        content: &mut R,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Pushed, Error> {
        if self.has_blob(to, blob.digest).await? {
            return Ok(Pushed::Existed);
        }
        let site = self.site(to.registry()).await?;
        let mut scope = push_scope(to.repository());
        if let Some(from) = blob.mount_from {
            scope = format!("{scope} {}", pull_scope(from));
        }
        let what = format!("blob `{}`", blob.digest);
        let own = self.shared.settings.piece_bytes;
        let piece = if own == 0 { DEFAULT_PIECE } else { own };
        let url = site.url(to.repository(), "blobs/uploads/");
        let repository = to.repository();
        let mut upload = Upload { client: self, site, scope, repository, blob, what, url, offset: 0, piece };
        upload.run(content, progress).await
    }
}

impl Upload<'_> {
    async fn run<R: AsyncRead + AsyncSeek + Unpin + Send>(
        &mut self,
        content: &mut R,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Pushed, Error> {
        if let Some(done) = self.start().await? {
            return Ok(done);
        }
        let timing = &self.client.shared.transport.timing;
        let mut resumes = Backoff::new(timing, timing.resumes);
        loop {
            let before = self.offset;
            match self.step(content, progress).await {
                Ok(true) => return Ok(Pushed::Uploaded),
                Ok(false) => {}
                Err((error, wait)) => {
                    if !may_resume(&error) {
                        return Err(error);
                    }
                    let Some(wait) = resumes.next(wait) else { return Err(error) };
                    tracing::debug!(blob = %self.blob.digest, offset = self.offset, %error, "resume the upload");
                    tokio::time::sleep(wait).await;
                    if let Some(done) = self.locate().await? {
                        return Ok(done);
                    }
                }
            }
            if self.offset > before {
                resumes = Backoff::new(timing, timing.resumes);
            }
        }
    }

    /// Begins an upload, unless the blob can be mounted.
    async fn start(&mut self) -> Result<Option<Pushed>, Error> {
        let mut url = self.site.url(self.repository, "blobs/uploads/");
        if let Some(from) = self.blob.mount_from {
            url.query_pairs_mut()
                .append_pair("mount", &self.blob.digest.to_string())
                .append_pair("from", from);
        }
        let call = Call::new(Method::POST, url, &self.what);
        let response = self.client.send(&self.site, &self.scope, &call).await?;
        match self.started(&call.url, &response)? {
            Started::Done(done) => Ok(Some(done)),
            Started::At { url, least } => {
                (self.url, self.offset) = (url, 0);
                self.piece = self.piece.max(least);
                Ok(None)
            }
        }
    }

    fn started(&self, asked: &Url, response: &Response) -> Result<Started, Error> {
        if response.status() == StatusCode::CREATED {
            return Ok(Started::Done(Pushed::Mounted));
        }
        let url = self.site.location(asked, response.headers());
        let url = url.ok_or_else(|| self.against("it begins an upload at no place".to_owned()))?;
        let least = response.headers().get(LEAST_PIECE).and_then(|value| value.to_str().ok()?.parse().ok());
        Ok(Started::At { url, least: least.unwrap_or(0) })
    }

    /// The next request; whether it was the last one.
    async fn step<R: AsyncRead + AsyncSeek + Unpin + Send>(
        &mut self,
        content: &mut R,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<bool, (Error, Option<std::time::Duration>)> {
        let left = self.blob.size - self.offset;
        let whole = self.offset == 0 && left <= self.piece;
        let ends = whole || left == 0;
        let method = if ends { Method::PUT } else { Method::PATCH };
        let response = self.transfer(method, left.min(self.piece), ends, content, progress).await;
        let response = response.map_err(|error| (error, None))?;
        let status = response.status();
        if !status.is_success() {
            if status == StatusCode::UNAUTHORIZED {
                self.client.tokens.forget(&self.site.host, &self.scope);
            }
            return Err(self.client.refusal(response, &self.what, &self.site).await);
        }
        if !ends {
            self.accept(&response, self.offset + left.min(self.piece)).map_err(|error| (error, None))?;
        }
        Ok(ends)
    }

    /// Takes over where the registry says that it is.
    fn accept(&mut self, response: &Response, expected: u64) -> Result<(), Error> {
        self.url = self.next_url(response);
        let has = held(response).unwrap_or(expected);
        if has > expected || has <= self.offset {
            return Err(self.against(format!("it says that it has {has} bytes of {expected}")));
        }
        self.offset = has;
        Ok(())
    }

    fn next_url(&self, response: &Response) -> Url {
        self.site.location(&self.url, response.headers()).unwrap_or_else(|| self.url.clone())
    }

    /// Finds out after a failure how much is there; begins anew where the registry has forgotten the upload.
    async fn locate(&mut self) -> Result<Option<Pushed>, Error> {
        let call = Call::new(Method::GET, self.url.clone(), &self.what);
        match self.client.send(&self.site, &self.scope, &call).await {
            Ok(response) => {
                let has = held(&response).unwrap_or(0);
                self.url = self.next_url(&response);
                self.offset = has.min(self.blob.size);
                Ok(None)
            }
            Err(Error::NotFound { .. } | Error::Rejected { .. }) => self.start_again().await,
            Err(error) => Err(error),
        }
    }

    /// The end may have been reached although its answer was lost.
    async fn start_again(&mut self) -> Result<Option<Pushed>, Error> {
        let url = self.site.url(self.repository, &format!("blobs/{}", self.blob.digest));
        let call = Call::new(Method::HEAD, url, &self.what);
        if self.client.find(&self.site, &self.scope, &call).await?.is_some() {
            return Ok(Some(Pushed::Uploaded));
        }
        self.start().await
    }

    fn against(&self, detail: String) -> Error {
        Error::Protocol { what: self.what.clone(), host: self.site.host.clone(), detail }
    }
}

/// Failures of a piece after which the registry is asked how far it is: what passes, a token that has ended (a fresh one
/// is fetched then), and a piece that does not fit (416).
fn may_resume(error: &Error) -> bool {
    error.is_transient()
        || matches!(
            error,
            Error::RateLimited { .. } | Error::Unauthorized { .. } | Error::Rejected { status: 416, .. }
        )
}

/// Bytes that a registry has, by its `Range: 0-LAST`. `0-0` is what registries say for none; one byte is never alone.
fn held(response: &Response) -> Option<u64> {
    let text = response.headers().get(RANGE)?.to_str().ok()?;
    let last: u64 = text.trim().trim_start_matches("bytes=").strip_prefix("0-")?.parse().ok()?;
    Some(if last == 0 { 0 } else { last.saturating_add(1) })
}
