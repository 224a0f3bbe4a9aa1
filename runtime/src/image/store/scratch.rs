//! Files for content that is no blob: they have no name, and go with their descriptor.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::sync::atomic::{AtomicU32, Ordering};

use super::Store;
use super::blob::MAX_BLOB_BYTES;
use crate::disk::room::Watch;
use crate::image::Error;
use crate::image::compression::{copy, uncompressed};

impl Store {
    /// A new file without a name, on the store's disk.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn scratch(&self) -> Result<File, Error> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = self.incoming().join(format!("{}-scratch-{number}", std::process::id()));
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path);
        let file = file.map_err(Error::io("create", path.display().to_string()))?;
        fs::remove_file(&path).map_err(Error::io("unlink", path.display().to_string()))?;
        Ok(file)
    }

    /// A tar as an uncompressed file that can be read twice, at its beginning; it may come compressed.
    ///
    /// # Errors
    /// When it cannot be read or is too long.
    pub fn spool_tar(&self, input: File) -> Result<File, Error> {
        let what = "an archive";
        self.spool(uncompressed(input, what)?, what)
    }

    /// A stream as a file that can be read twice, at its beginning.
    ///
    /// # Errors
    /// When the stream cannot be read or is too long.
    pub(in crate::image) fn spool(&self, mut from: impl Read, what: &str) -> Result<File, Error> {
        let mut into = self.scratch()?;
        let mut bounded = (&mut from).take(MAX_BLOB_BYTES + 1);
        let mut disk = Watch::default();
        let length = copy(&mut bounded, |bytes| {
            disk.bytes(&into, bytes.len() as u64)?;
            into.write_all(bytes)
        });
        let length = length.map_err(Error::io("read", what))?;
        if length > MAX_BLOB_BYTES {
            return Err(Error::TooLarge { object: what.to_owned(), limit: MAX_BLOB_BYTES });
        }
        into.rewind().map_err(Error::io("read", what))?;
        Ok(into)
    }
}
