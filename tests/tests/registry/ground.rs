//! What the tests of registries share: settings with short times, names, and a real registry in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sandlot_runtime::image::{Digest, Reference};
use sandlot_server::registry::{Client, Error, Settings, Timing, Trust};
pub(crate) use sandlot_tests::registry::DockerRegistry;

/// Settings whose times are short enough for a test, and long enough for a busy machine.
pub(crate) fn settings() -> Settings {
    let timing = Timing {
        answer: Duration::from_secs(5),
        commit: Duration::from_secs(20),
        idle: Duration::from_secs(2),
        window: Duration::from_millis(400),
        backoff: Duration::from_millis(5),
        longest_backoff: Duration::from_millis(20),
        longest_retry_after: Duration::from_secs(2),
        attempts: 3,
        resumes: 3,
        ..Timing::default()
    };
    Settings { timing, ..Settings::default() }
}

/// The operator's client with the settings above.
pub(crate) fn operator() -> Client {
    Client::new(settings(), Trust::Operator).unwrap()
}

pub(crate) fn name(text: &str) -> Reference {
    text.parse().unwrap()
}

/// Bytes that no compression or repetition hides an error in.
pub(crate) fn content(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(next).collect()
}

/// A whole blob.
pub(crate) async fn read(
    client: &Client,
    of: &Reference,
    digest: &Digest,
    size: u64,
    offset: u64,
) -> Result<Vec<u8>, Error> {
    let mut blob = client.blob(of, digest, size, offset).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = blob.chunk().await? {
        bytes.extend_from_slice(&chunk);
    }
    assert_eq!(blob.offset(), size);
    Ok(bytes)
}

/// A manifest of one layer, and its config; both blobs are to be pushed by the caller.
pub(crate) fn manifest(config: &[u8], layer: &[u8], subject: Option<&str>) -> Vec<u8> {
    let subject = subject.map(|subject| format!(r#","subject":{subject}"#)).unwrap_or_default();
    let descriptor = |kind: &str, bytes: &[u8]| {
        format!(r#"{{"mediaType":"{kind}","digest":"{}","size":{}}}"#, Digest::of(bytes), bytes.len())
    };
    let config = descriptor("application/vnd.oci.image.config.v1+json", config);
    let layer = descriptor("application/vnd.oci.image.layer.v1.tar", layer);
    format!(r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{config},"layers":[{layer}]{subject}}}"#)
        .into_bytes()
}

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Runs a tool of the tests; its package is named if it is missing.
pub(crate) fn run(program: &str, package: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|e| panic!("{program}: {e}; Debian's package {package} has it"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// An authority and a certificate of 127.0.0.1 by it, in a folder.
pub(crate) struct Certificates {
    pub(crate) authority: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificates {
    pub(crate) fn make(folder: &Path) -> Self {
        let path = |file: &str| folder.join(file);
        let text = |file: &str| path(file).to_str().unwrap().to_owned();
        let new =
            ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
        let (authority, authority_key) = (text("ca.pem"), text("ca.key"));
        let root = ["-subj", "/CN=test authority", "-keyout", &authority_key, "-out", &authority];
        run("openssl", "openssl", &[&new[..], &root[..]].concat());
        let (certificate, key) = (text("cert.pem"), text("key.pem"));
        let leaf = [
            "-subj",
            "/CN=test registry",
            "-CA",
            &authority,
            "-CAkey",
            &authority_key,
            "-keyout",
            &key,
            "-out",
            &certificate,
        ];
        let names =
            ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"];
        run("openssl", "openssl", &[&new[..], &leaf[..], &names[..]].concat());
        Self { authority: path("ca.pem"), certificate: path("cert.pem"), key: path("key.pem") }
    }
}
