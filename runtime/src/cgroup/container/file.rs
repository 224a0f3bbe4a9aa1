//! Files of a group, by path.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::cgroup::Error;

/// Writes a value in one call, as the kernel wants it.
pub(super) fn write(folder: &Path, file: &str, value: &str) -> Result<(), Error> {
    let path = folder.join(file);
    let written =
        fs::OpenOptions::new().write(true).open(&path).and_then(|mut file| file.write_all(value.as_bytes()));
    written.map_err(|source| Error::Write { value: value.to_owned(), path, source })
}

/// Reads a file.
pub(super) fn read(folder: &Path, file: &str) -> Result<String, Error> {
    let path = folder.join(file);
    fs::read_to_string(&path).map_err(|source| Error::kernel("read", path.display().to_string(), source))
}

/// Reads a number; `max` is the highest.
pub(super) fn number(folder: &Path, file: &str) -> Result<u64, Error> {
    let text = read(folder, file)?;
    match text.trim() {
        "max" => Ok(u64::MAX),
        text => {
            text.parse().map_err(|_| Error::Unexpected { object: folder.join(file).display().to_string() })
        }
    }
}

/// Whether the group has this file.
pub(super) fn exists(folder: &Path, file: &str) -> bool {
    folder.join(file).exists()
}
