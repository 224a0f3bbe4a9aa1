//! Whom a secure connection trusts: the authorities of the host, and those of the settings.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::Error;

/// A client's configuration, by ring. Reads the host's certificates and the files.
///
/// # Errors
/// [`Error::Setting`] when a file cannot be read or holds no certificate.
pub(super) fn config(authorities: &[PathBuf]) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Prepare(error.to_string()))?
        .with_root_certificates(roots(authorities)?)
        .with_no_client_auth();
    Ok(config)
}

fn roots(authorities: &[PathBuf]) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    // A host without certificates still reaches what the settings name; the rest fails with a sentence at its time.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for path in authorities {
        add(&mut roots, path).map_err(|detail| Error::Setting { path: path.clone(), detail })?;
    }
    Ok(roots)
}

fn add(roots: &mut RootCertStore, path: &PathBuf) -> Result<(), String> {
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())?;
    let before = roots.len();
    for certificate in certificates {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.len() == before { Err("there is no PEM certificate in it".to_owned()) } else { Ok(()) }
}
