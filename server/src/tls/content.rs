//! What stands in the two files. It holds the private key: it is never shown.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::OFlag;
use sandlot_runtime::supervisor::node::TlsFiles;

use super::TlsError;
use crate::config::limits;

/// Both files, as they were when they were read.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    pub(super) certificate: Vec<u8>,
    pub(super) key: Vec<u8>,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").finish_non_exhaustive()
    }
}

impl Content {
    /// Reads the files, with the power of this process.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        Self::read_open(files, open(&files.certificate)?, open(&files.key)?)
    }

    /// Reads files that were opened already.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn read_open(files: &TlsFiles, certificate: File, key: File) -> Result<Self, TlsError> {
        Ok(Self { certificate: bytes(&files.certificate, certificate)?, key: bytes(&files.key, key)? })
    }
}

/// A pipe or a device in its place must not hold the start up.
fn open(path: &Path) -> Result<File, TlsError> {
    let flags = (OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits();
    OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(read(path))
}

fn bytes(path: &Path, file: File) -> Result<Vec<u8>, TlsError> {
    if !file.metadata().map_err(read(path))?.is_file() {
        return Err(TlsError::File { path: path.into(), rule: "it must be a regular file" });
    }
    let mut bytes = Vec::new();
    file.take(limits::TLS_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(read(path))?;
    if bytes.len() as u64 > limits::TLS_FILE_BYTES {
        return Err(TlsError::File { path: path.into(), rule: "it is longer than 256 KiB" });
    }
    Ok(bytes)
}

fn read(path: &Path) -> impl Fn(io::Error) -> TlsError {
    move |source| TlsError::Read { path: path.into(), source }
}
