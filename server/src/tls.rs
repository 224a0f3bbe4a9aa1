//! TLS: its one implementation of cryptography, ring, and the certificate that the site shows.

mod content;
mod pair;
mod shown;
mod validity;

pub use content::Content;
pub use pair::Pair;
pub use shown::{Shown, server_config};

use std::path::PathBuf;

/// Lets every TLS connection of this process use ring. May be called again.
pub fn use_ring() {
    // An error says that it was chosen before, and nothing else is linked.
    rustls::crypto::ring::default_provider().install_default().ok();
}

/// The certificate or its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("read `{path}`: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is no regular one, or longer than any certificate.
    #[error("read `{path}`: {rule}")]
    File {
        /// Which.
        path: PathBuf,
        /// What it must be.
        rule: &'static str,
    },
    /// The first file holds no certificate.
    #[error("tls-cert: there is no certificate in PEM in it (-----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// The second file holds no key.
    #[error(
        "tls-key: there is no private key in PEM in it, or it has a passphrase, which nobody could give here"
    )]
    NoKey,
    /// A file is cut off or was edited.
    #[error("{option}: {source}")]
    Pem {
        /// The file by its option.
        option: &'static str,
        /// What is wrong.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// They belong to different pairs.
    #[error("tls-key: this is not the key of the certificate in tls-cert, which must come first in its file")]
    Mismatch,
    /// A certificate or key that TLS cannot use.
    #[error("use the certificate and its key: {0}")]
    Unusable(#[source] rustls::Error),
}
