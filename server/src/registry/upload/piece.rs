//! One request that carries a part of the blob, or all of it, read while the registry takes it.

use std::io::SeekFrom;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Response};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeek, AsyncSeekExt};
use tokio::sync::mpsc;

use super::Upload;
use crate::registry::Error;
use crate::registry::site::shown_host;
use crate::registry::token::Proof;
use crate::registry::transport::Call;

/// What is read and handed to the connection at once. One is on its way, one waits, one is being read.
const BUFFER_BYTES: usize = 64 * 1024;

impl Upload<'_> {
    /// Sends `length` bytes from the offset, as fast as the registry takes them.
    pub(super) async fn transfer<R: AsyncRead + AsyncSeek + Unpin + Send>(
        &self,
        method: Method,
        length: u64,
        ends: bool,
        content: &mut R,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Response, Error> {
        let unread = |source| Error::Content { action: "read", what: self.what.clone(), source };
        content.seek(SeekFrom::Start(self.offset)).await.map_err(unread)?;
        let call = self.piece_call(method, length, ends)?;
        let (url, timing) = (call.url.clone(), &self.client.shared.transport.timing);
        let (send, receive) = mpsc::channel::<Result<Bytes, std::io::Error>>(1);
        let pieces = futures_util::stream::unfold(receive, |mut receive| async {
            let piece = receive.recv().await?;
            Some((piece, receive))
        });
        let body = (length > 0).then(|| reqwest::Body::wrap_stream(pieces));
        let answer = self.client.shared.transport.hop(&self.site, call, body);
        tokio::pin!(answer);
        let fed = tokio::select! {
            answer = &mut answer => return answer,
            fed = self.feed(send, length, content, progress) => fed,
        };
        fed?;
        self.client.shared.transport.in_time(timing.commit, &self.what, &url, answer).await
    }

    /// Reads the content into the connection. That the other end is gone is told by the request itself.
    async fn feed<R: AsyncRead + Unpin + Send>(
        &self,
        send: mpsc::Sender<Result<Bytes, std::io::Error>>,
        length: u64,
        content: &mut R,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), Error> {
        let mut sent = 0;
        while sent < length {
            let want = BUFFER_BYTES.min(usize::try_from(length - sent).unwrap_or(BUFFER_BYTES));
            let mut buffer = vec![0; want];
            let read = content.read_exact(&mut buffer).await;
            read.map_err(|source| Error::Content { action: "read", what: self.what.clone(), source })?;
            let idle = self.client.shared.transport.timing.idle;
            match tokio::time::timeout(idle, send.send(Ok(buffer.into()))).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Ok(()),
                Err(_) => return Err(self.stalled()),
            }
            sent += want as u64;
            progress(self.offset + sent);
        }
        Ok(())
    }

    /// The request of a piece. The address of an upload is the registry's choice: only its own origin gets the proof.
    fn piece_call(&self, method: Method, length: u64, ends: bool) -> Result<Call, Error> {
        let mut call = Call::new(method, self.url.clone(), &self.what);
        if ends {
            call.url.query_pairs_mut().append_pair("digest", &self.blob.digest.to_string());
        }
        call.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        call.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        if !ends {
            let range = HeaderValue::from_str(&format!("{}-{}", self.offset, self.offset + length - 1));
            call.headers.insert(CONTENT_RANGE, range.map_err(|_| self.against("no range".to_owned()))?);
        }
        let proof = self.client.proof(&self.site, &self.scope, &call.url);
        if let Some(header) = proof.as_ref().map(Proof::header) {
            call.headers.insert(AUTHORIZATION, header.clone());
        }
        Ok(call)
    }

    fn stalled(&self) -> Error {
        Error::TooSlow { what: self.what.clone(), host: shown_host(&self.url), why: "it takes no more bytes" }
    }
}
