//! Content on its way into the store: written to a folder of its own, and moved to its digest only once all is there.
//!
//! A folder whose process has died is removed by the next one that opens the store; a lock on it says who lives.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::fcntl::{Flock, FlockArg};
use oci_spec::image::Sha256Digest;
use sha2::{Digest, Sha256};

use super::Error;

/// Largest blob that is taken.
pub(super) const MAX_BLOB_BYTES: u64 = 32 << 30;
const COPY_BYTES: usize = 256 * 1024;

/// A blob that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Blob {
    pub(super) digest: Sha256Digest,
    pub(super) size: u64,
}

/// A folder for the blobs of one import. Dropping it removes what was not moved into the store.
#[derive(Debug)]
pub(super) struct Ingest {
    folder: PathBuf,
    blobs: Vec<Blob>,
    _lock: Flock<File>,
}

impl Ingest {
    /// Makes the folder below `parent`.
    pub(super) fn begin(parent: &Path) -> Result<Self, Error> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = parent.join(format!("{}-{number}", std::process::id()));
        let name = folder.display().to_string();
        // One of a dead process with our id.
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(Error::io("remove", name.clone()))?;
        }
        fs::create_dir(&folder).map_err(Error::io("create", name.clone()))?;
        let lock = lock_folder(&folder).map_err(Error::io("lock", name))?;
        Ok(Self { folder, blobs: Vec::new(), _lock: lock })
    }

    /// Removes folders that no living process holds.
    pub(super) fn remove_abandoned(parent: &Path) -> io::Result<()> {
        for entry in fs::read_dir(parent)? {
            let path = entry?.path();
            if let Ok(lock) = lock_folder(&path) {
                fs::remove_dir_all(&path)?;
                drop(lock);
            }
        }
        Ok(())
    }

    /// Writes a blob to the disk and counts its digest.
    pub(super) fn add(&mut self, content: &mut impl Read) -> Result<Blob, Error> {
        let path = self.folder.join("incoming");
        let (mut file, name) = (create(&path)?, path.display().to_string());
        let mut digest = Sha256::new();
        let mut limited = content.take(MAX_BLOB_BYTES + 1);
        let size = copy(&mut limited, |bytes| {
            digest.update(bytes);
            file.write_all(bytes)
        });
        let size = size.map_err(Error::io("write", name.clone()))?;
        if size > MAX_BLOB_BYTES {
            return Err(Error::TooLarge { object: "a blob".to_owned(), limit: MAX_BLOB_BYTES });
        }
        file.sync_all().map_err(Error::io("sync", name.clone()))?;
        let digest = sha256(digest)?;
        fs::rename(&path, self.folder.join(digest.digest())).map_err(Error::io("rename", name))?;
        let blob = Blob { digest, size };
        self.blobs.push(blob.clone());
        Ok(blob)
    }

    /// Opens a blob of this import.
    pub(super) fn open(&self, digest: &Sha256Digest) -> Result<File, Error> {
        File::open(self.folder.join(digest.digest())).map_err(|_| Error::UnknownBlob(digest.clone()))
    }

    /// A file for content that is not a blob; it has no name and goes with its descriptor.
    pub(super) fn scratch(&self) -> Result<File, Error> {
        unnamed_file(&self.folder)
    }

    /// Moves the blobs to `folder`, under their digests. The caller holds the store's lock.
    pub(super) fn publish(&self, folder: &Path) -> io::Result<()> {
        for blob in &self.blobs {
            let name = blob.digest.digest();
            match fs::rename(self.folder.join(name), folder.join(name)) {
                // Added twice in this import.
                Err(error) if error.kind() == io::ErrorKind::NotFound && folder.join(name).exists() => {}
                other => other?,
            }
        }
        File::open(folder)?.sync_all()
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        // What stays is removed by the next process that opens the store.
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// A new file in `folder` without a name.
pub(super) fn unnamed_file(folder: &Path) -> Result<File, Error> {
    let path = folder.join("scratch");
    let file = create(&path)?;
    fs::remove_file(&path).map_err(Error::io("unlink", path.display().to_string()))?;
    Ok(file)
}

/// Copies a stream in pieces; returns its length.
pub(super) fn copy(from: &mut impl Read, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<u64> {
    let mut buffer = vec![0; COPY_BYTES];
    let mut length = 0;
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => return Ok(length),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        each(buffer.get(..read).unwrap_or_default())?;
        length += read as u64;
    }
}

/// The digest as a name.
pub(super) fn sha256(state: Sha256) -> Result<Sha256Digest, Error> {
    let hex = hex(&state.finalize());
    Sha256Digest::from_str(&hex).map_err(|cause| Error::document("a digest", cause))
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn create(path: &Path) -> Result<File, Error> {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .map_err(Error::io("create", path.display().to_string()))
}

fn lock_folder(path: &Path) -> io::Result<Flock<File>> {
    Flock::lock(File::open(path)?, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno.into())
}
