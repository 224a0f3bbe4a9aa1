//! Where the site's certificate and its key lie: both are given, or neither.

use std::path::{Path, PathBuf};

use sandlot_runtime::supervisor::node::TlsFiles;

use super::ConfigError;

/// From the two options.
pub(super) fn files(
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
) -> Result<Option<TlsFiles>, ConfigError> {
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => {
            let certificate = absolute("tls-cert", &certificate)?;
            Ok(Some(TlsFiles { certificate, key: absolute("tls-key", &key)? }))
        }
        (Some(alone), None) => Err(missing("tls-cert", &alone, "tls-key")),
        (None, Some(alone)) => Err(missing("tls-key", &alone, "tls-cert")),
    }
}

/// The supervisor, which opens them later, was started in another folder.
fn absolute(key: &str, path: &Path) -> Result<PathBuf, ConfigError> {
    std::path::absolute(path).map_err(|_| ConfigError::value(key, &path.to_string_lossy(), "must be a path"))
}

fn missing(key: &str, path: &Path, other: &str) -> ConfigError {
    ConfigError::value(key, &path.to_string_lossy(), &format!("needs {other} beside it"))
}
