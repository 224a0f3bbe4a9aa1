//! A certificate with those that lead to an authority, and its private key: read, and known to fit each other.

use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;

use super::{Content, TlsError, validity};

/// See the module.
#[derive(Debug, Clone)]
pub struct Pair {
    pub(super) certified: Arc<CertifiedKey>,
    content: Content,
    ends_at: Option<OffsetDateTime>,
}

impl Pair {
    /// From the two files.
    ///
    /// # Errors
    /// When they hold no certificate or key, or these do not belong together.
    pub fn parse(content: Content) -> Result<Self, TlsError> {
        let chain = chain(&content.certificate)?;
        let ends_at = chain.first().and_then(|first| validity::end(first));
        let provider = rustls::crypto::ring::default_provider();
        let certified = CertifiedKey::from_der(chain, key(&content.key)?, &provider).map_err(unusable)?;
        Ok(Self { certified: Arc::new(certified), content, ends_at })
    }

    /// What it was read from.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// The time after which clients refuse it, where the certificate says it in the usual form.
    pub fn ends_at(&self) -> Option<OffsetDateTime> {
        self.ends_at
    }

    /// Whether clients refuse it already.
    pub fn has_ended(&self) -> bool {
        self.ends_at.is_some_and(|end| end < OffsetDateTime::now_utc())
    }
}

fn chain(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let chain = chain.map_err(|source| TlsError::Pem { option: "tls-cert", source })?;
    if chain.is_empty() { Err(TlsError::NoCertificate) } else { Ok(chain) }
}

fn key(text: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(text).map_err(|source| match source {
        pem::Error::NoItemsFound => TlsError::NoKey,
        source => TlsError::Pem { option: "tls-key", source },
    })
}

fn unusable(error: rustls::Error) -> TlsError {
    match error {
        rustls::Error::InconsistentKeys(_) => TlsError::Mismatch,
        error => TlsError::Unusable(error),
    }
}
