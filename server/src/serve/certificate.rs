//! The site's certificate: read at the start by whoever starts serve, and again whenever its files change.
//!
//! serve itself may usually not read the key. The supervisor opens both files then and hands the descriptors over. A
//! pair that cannot be used changes nothing: the one of before stays, and the log says why.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use sandlot_runtime::supervisor::node::TlsFiles;
use tokio::signal::unix::Signal;

use crate::config::Config;
use crate::instance::Backend;
use crate::tls::{Content, Pair, Shown};

/// Between two looks at the files; each costs the supervisor one short-lived worker.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Reads the pair at the start, with all the power that serve was started with.
///
/// # Errors
/// When the files that the configuration names cannot be used.
pub(super) fn first(config: &Config) -> anyhow::Result<Option<Pair>> {
    let Some(files) = &config.tls else { return Ok(None) };
    let pair = Content::read(files).and_then(Pair::parse);
    let pair = pair.with_context(|| {
        format!(
            "read the certificate `{}` and its key `{}`",
            files.certificate.display(),
            files.key.display()
        )
    })?;
    warn_if_ended(&pair);
    Ok(Some(pair))
}

fn warn_if_ended(pair: &Pair) {
    if pair.has_ended() {
        let ended_at = pair.ends_at().map(|end| end.to_string()).unwrap_or_default();
        tracing::warn!(ended_at, "the site's certificate has expired: browsers will refuse it");
    }
}

/// Keeps what is shown as new as the files.
pub(super) struct Renewal {
    files: TlsFiles,
    shown: Arc<Shown>,
    backend: Backend,
    /// Content that could not be used: it is told once.
    refused: Option<Content>,
    /// What was wrong at the last look.
    complaint: Option<String>,
}

impl Renewal {
    /// Of what is shown.
    pub(super) fn new(files: TlsFiles, shown: Arc<Shown>, backend: Backend) -> Self {
        Self { files, shown, backend, refused: None, complaint: None }
    }

    /// Looks from time to time, and at once when asked to.
    pub(super) async fn watch(mut self, mut asked: Signal) {
        let mut turn = tokio::time::interval_at(tokio::time::Instant::now() + LOOK_EVERY, LOOK_EVERY);
        loop {
            tokio::select! {
                _ = turn.tick() => {}
                _ = asked.recv() => {
                    tracing::info!("SIGHUP: reading the certificate again");
                    (self.refused, self.complaint) = (None, None);
                }
            }
            self.look().await;
        }
    }

    async fn look(&mut self) {
        let complaint = match self.content().await {
            Ok(content) => self.take(content),
            Err(error) => Some(format!("{error:#}")),
        };
        if let Some(complaint) = complaint.as_ref().filter(|_| complaint != self.complaint) {
            tracing::error!(error = complaint, "renew the certificate; the one of before stays");
        }
        self.complaint = complaint;
    }

    /// Shows what was read if it is new; otherwise what is wrong with it.
    fn take(&mut self, content: Content) -> Option<String> {
        if content == *self.shown.pair().content() {
            self.refused = None;
            return None;
        }
        if self.refused.as_ref() == Some(&content) {
            return self.complaint.take();
        }
        match Pair::parse(content.clone()) {
            Ok(pair) => {
                warn_if_ended(&pair);
                tracing::info!("new connections are shown the new certificate");
                self.shown.replace(pair);
                None
            }
            Err(error) => {
                self.refused = Some(content);
                Some(error.to_string())
            }
        }
    }

    async fn content(&self) -> anyhow::Result<Content> {
        let opened = self.backend.open_tls_files(&self.files).await;
        let files = self.files.clone();
        let reading = tokio::task::spawn_blocking(move || match opened {
            Ok(Some([certificate, key])) => {
                Ok(Content::read_open(&files, File::from(certificate), File::from(key))?)
            }
            Ok(None) => Ok(Content::read(&files)?),
            // They may be readable for serve as well.
            Err(refused) => Content::read(&files).map_err(|_| anyhow::Error::from(refused)),
        });
        reading.await?
    }
}
