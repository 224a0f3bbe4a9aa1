//! The folder with the state of all containers.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::record::Record;

/// Longest id: a file name.
const MAX_ID_BYTES: usize = 255;

/// The state folder of this runtime.
#[derive(Debug, Clone)]
pub struct Root {
    path: PathBuf,
}

impl Root {
    /// The folder at a path, absolute or not; made when the first container is.
    ///
    /// # Errors
    /// When a relative path has no place.
    pub fn new(path: &Path) -> Result<Self, Error> {
        let path = std::path::absolute(path).map_err(Error::file("find", path))?;
        Ok(Self { path })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the state of a container is.
    pub fn folder(&self, id: &str) -> PathBuf {
        self.path.join(id)
    }

    /// Takes an id for a new container.
    ///
    /// # Errors
    /// When it is taken, or no id.
    pub fn reserve(&self, id: &str) -> Result<PathBuf, Error> {
        check(id)?;
        let make = |path: &Path, recursive| DirBuilder::new().mode(0o700).recursive(recursive).create(path);
        let folder = self.folder(id);
        match make(&folder, false) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                make(&self.path, true).map_err(Error::file("mkdir", &self.path))?;
                make(&folder, false)
            }
            result => result,
        }
        .map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Error::Exists(id.to_owned()),
            _ => Error::file("mkdir", &folder)(error),
        })?;
        Ok(folder)
    }

    /// The record of a container.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(&self, id: &str) -> Result<Record, Error> {
        check(id)?;
        Record::load(&self.folder(id)).map_err(|error| match error {
            Error::File { source, .. } if source.kind() == ErrorKind::NotFound => {
                Error::Missing(id.to_owned())
            }
            error => error,
        })
    }

    /// The ids of all containers, in their order.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn ids(&self) -> Result<Vec<String>, Error> {
        let failed = || Error::file("open", &self.path);
        let mut ids = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() && check(&name).is_ok() {
                ids.push(name);
            }
        }
        ids.sort();
        Ok(ids)
    }

    /// Where compiled filters are kept. No container can have this name.
    pub fn filters(&self) -> PathBuf {
        self.path.join(",filters")
    }
}

fn check(id: &str) -> Result<(), Error> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'-' | b'.');
    match id {
        "" => Err(Error::EmptyId),
        "." | ".." => Err(Error::InvalidId(id.to_owned())),
        _ if id.len() <= MAX_ID_BYTES && id.bytes().all(plain) => Ok(()),
        _ => Err(Error::InvalidId(id.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_plain_names() {
        for id in ["a", "test_busybox", "A.b-c+1"] {
            assert!(check(id).is_ok(), "{id}");
        }
        for id in ["", ".", "..", "a/b", "a,b", "\u{e9}", "a b"] {
            assert!(check(id).is_err(), "{id}");
        }
    }
}
