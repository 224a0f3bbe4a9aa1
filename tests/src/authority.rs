//! An authority of the tests' own, the certificates that it gives out, and clients that believe it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use sandlot_runtime::supervisor::node::TlsFiles;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Names in every certificate: those of the examples in `deploy/`, and the addresses of the tests.
const NAMES: &str = "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:play.example.org,DNS:*.play.example.org";
const NEW: [&str; 7] = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/// The authority; clones are the same.
#[derive(Debug, Clone)]
pub struct Authority {
    folder: Arc<tempfile::TempDir>,
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// When `openssl` is missing or fails.
    pub fn new() -> Result<Self> {
        // What tests connect with by themselves needs it too.
        sandlot_server::tls::use_ring();
        let authority = Self { folder: Arc::new(tempfile::tempdir()?) };
        let (key, certificate) = (authority.path("key.pem"), authority.certificate());
        openssl(&NEW, &["-days", "2", "-subj", "/CN=test authority"], &certificate, &key, &[])?;
        Ok(authority)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Its own certificate, in PEM.
    pub fn certificate(&self) -> PathBuf {
        self.path("certificate.pem")
    }

    /// Gives out a certificate with a key into a folder, in place of those that are there; valid for this many days.
    ///
    /// # Errors
    /// When `openssl` fails.
    pub fn issue(&self, folder: &Path, days: u32) -> Result<TlsFiles> {
        let files = TlsFiles { certificate: folder.join("site.pem"), key: folder.join("site.key") };
        let (own, own_key) = (self.certificate().display().to_string(), self.path("key.pem"));
        let own_key = own_key.display().to_string();
        let days = days.to_string();
        let leaf = ["-days", &days, "-subj", "/CN=test site", "-CA", &own, "-CAkey", &own_key];
        let extensions = ["-addext", NAMES, "-addext", "basicConstraints=critical,CA:FALSE"];
        openssl(&NEW, &leaf, &files.certificate, &files.key, &extensions)?;
        Ok(files)
    }

    /// As [`Authority::issue`], a pair that ended yesterday and that nobody but itself vouches for.
    ///
    /// # Errors
    /// When `openssl` fails.
    pub fn issue_expired(&self, folder: &Path) -> Result<TlsFiles> {
        let files = self.issue(folder, 2)?;
        let mut command = Command::new("openssl");
        command.args(["x509", "-days", "-1", "-signkey"]).arg(&files.key);
        run(command.arg("-in").arg(&files.certificate).arg("-out").arg(&files.certificate))?;
        Ok(files)
    }

    /// A client of TLS that offers these protocols.
    ///
    /// # Errors
    /// When the authority's certificate cannot be read.
    pub fn connector(&self, protocols: &[&str]) -> Result<TlsConnector> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.certificate())?)?;
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(TlsConnector::from(Arc::new(config)))
    }

    /// For a client of HTTP.
    ///
    /// # Errors
    /// When the authority's certificate cannot be read.
    pub fn trusted_by(&self, client: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder> {
        let certificate = reqwest::Certificate::from_pem(&std::fs::read(self.certificate())?)?;
        Ok(client.tls_certs_only([certificate]))
    }
}

fn openssl(new: &[&str], what: &[&str], certificate: &Path, key: &Path, more: &[&str]) -> Result<()> {
    let mut command = Command::new("openssl");
    run(command.args(new).args(what).arg("-out").arg(certificate).arg("-keyout").arg(key).args(more))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().context("run openssl; Debian's package openssl has it")?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
