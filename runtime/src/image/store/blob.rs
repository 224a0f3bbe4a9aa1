//! Content on its way into the store.
//!
//! Whoever writes holds a lock on the file, so two who want the same content do not fetch it twice, and a file without a
//! lock is a dead process's. With the digest known beforehand the next one goes on where it ended.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use nix::fcntl::{Flock, FlockArg};
use oci_spec::image::{Descriptor, MediaType};

use super::Store;
use crate::disk::room::Watch;
use crate::image::compression::copy;
use crate::image::digest::{Algorithm, Hasher};
use crate::image::{Digest, Error};

/// Largest blob that is taken.
pub(in crate::image) const MAX_BLOB_BYTES: u64 = 64 << 30;
/// How long half a blob waits for someone to go on with it.
const PATIENCE: Duration = Duration::from_secs(7 * 24 * 3600);
const PART: &str = "part";

/// A blob of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

impl Blob {
    /// Its descriptor.
    ///
    /// # Errors
    /// Never for a digest of this module.
    pub fn describe(&self, kind: MediaType) -> Result<Descriptor, Error> {
        Ok(Descriptor::new(kind, self.size, self.digest.to_spec()?))
    }
}

/// What there is of a blob that someone wants.
#[derive(Debug)]
pub enum Receiving {
    /// All of it.
    There,
    /// Another process is fetching it: ask again in a while.
    Busy,
    /// The rest is to be written.
    Wanted(Box<Incoming>),
}

/// A blob that is being written. Dropped before its end, one with a known digest stays for the next try.
#[derive(Debug)]
pub struct Incoming {
    file: Flock<File>,
    path: PathBuf,
    hasher: Hasher,
    expected: Option<Blob>,
    length: u64,
    disk: Watch,
    unwanted: Unwanted,
}

/// A file that is removed unless it is completed: nobody can go on with it.
#[derive(Debug, Default)]
struct Unwanted(Option<PathBuf>);

impl Drop for Unwanted {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            // Else the next collection does.
            fs::remove_file(path).ok();
        }
    }
}

impl Incoming {
    /// One whose digest is not known yet.
    pub(super) fn unknown(folder: &Path) -> Result<Self, Error> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{}-{number}", std::process::id()));
        let file = open(&path)?.ok_or_else(|| busy(&path))?;
        file.set_len(0).map_err(Error::io("empty", path.display().to_string()))?;
        let unwanted = Unwanted(Some(path.clone()));
        Ok(Self {
            file,
            path,
            hasher: Hasher::new(Algorithm::Sha256),
            expected: None,
            length: 0,
            disk: Watch::default(),
            unwanted,
        })
    }

    /// One whose digest and size are known; goes on with what a dead process left. `None` while another writes it.
    pub(super) fn known(folder: &Path, expected: Blob) -> Result<Option<Self>, Error> {
        if expected.size > MAX_BLOB_BYTES {
            return Err(Error::TooLarge { object: expected.digest.to_string(), limit: MAX_BLOB_BYTES });
        }
        let (algorithm, hex) = (expected.digest.algorithm(), expected.digest.hex());
        let path = folder.join(format!("{}-{hex}.{PART}", algorithm.name()));
        let Some(file) = open(&path)? else { return Ok(None) };
        let hasher = Hasher::new(algorithm);
        let mut incoming = Self {
            file,
            path,
            hasher,
            expected: Some(expected),
            length: 0,
            disk: Watch::default(),
            unwanted: Unwanted::default(),
        };
        incoming.read_again()?;
        Ok(Some(incoming))
    }

    /// Bytes written so far: where the content is to go on.
    pub fn offset(&self) -> u64 {
        self.length
    }

    /// Reads what it holds so far, from the beginning and while it grows.
    ///
    /// # Errors
    /// When the file cannot be opened again.
    pub fn reader(&self) -> Result<File, Error> {
        File::open(&self.path).map_err(Error::io("open", self.path.display().to_string()))
    }

    /// Forgets what was written: the source cannot go on from there.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn restart(&mut self) -> Result<(), Error> {
        let algorithm = self.expected.as_ref().map_or(Algorithm::Sha256, |blob| blob.digest.algorithm());
        self.hasher = Hasher::new(algorithm);
        self.length = 0;
        let emptied = self.file.set_len(0).and_then(|()| self.file.rewind());
        emptied.map_err(Error::io("empty", self.path.display().to_string()))
    }

    /// Checks digest and size, and brings it to the disk. What is wrong is removed.
    pub(super) fn complete(mut self) -> Result<Complete, Error> {
        let name = self.path.display().to_string();
        let found = Blob { digest: self.hasher.finish(), size: self.length };
        if let Some(expected) = self.expected.filter(|expected| *expected != found) {
            fs::remove_file(&self.path).map_err(Error::io("remove", name))?;
            return Err(differs(expected, found));
        }
        self.file.sync_data().map_err(Error::io("sync", name))?;
        self.unwanted.0 = None;
        Ok(Complete { blob: found, path: self.path, _file: self.file })
    }

    fn read_again(&mut self) -> Result<(), Error> {
        let name = self.path.display().to_string();
        let mut content = self.reader()?;
        let (hasher, limit) = (&mut self.hasher, self.expected.as_ref().map_or(0, |blob| blob.size));
        let length = copy(&mut (&mut content).take(limit), |bytes| {
            hasher.update(bytes);
            Ok(())
        });
        self.length = length.map_err(Error::io("read", name.clone()))?;
        self.file.set_len(self.length).map_err(Error::io("cut", name.clone()))?;
        self.file.seek(SeekFrom::Start(self.length)).map_err(Error::io("seek", name))?;
        Ok(())
    }
}

impl Write for Incoming {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let limit = self.expected.as_ref().map_or(MAX_BLOB_BYTES, |blob| blob.size);
        if self.length + bytes.len() as u64 > limit {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {limit} bytes came")));
        }
        self.disk.bytes(&*self.file, bytes.len() as u64)?;
        let written = self.file.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A verified blob that has no name yet.
#[derive(Debug)]
pub(super) struct Complete {
    pub(super) blob: Blob,
    path: PathBuf,
    _file: Flock<File>,
}

impl Complete {
    /// Gives it its name. The caller's lease holds its digest.
    pub(super) fn publish(self, store: &Store) -> Result<Blob, Error> {
        let to = store.blob(&self.blob.digest);
        let moved = fs::rename(&self.path, &to)
            .and_then(|()| to.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all()));
        moved.map_err(Error::io("name", to.display().to_string()))?;
        Ok(self.blob)
    }
}

fn differs(expected: Blob, found: Blob) -> Error {
    if expected.size == found.size {
        let object = format!("blob {}", expected.digest);
        Error::Digest { object, expected: expected.digest, found: found.digest }
    } else {
        Error::Size { digest: expected.digest, expected: expected.size, found: found.size }
    }
}

/// Opens and locks; `None` when another has it. The name must still be the file's once it is locked.
fn open(path: &Path) -> Result<Option<Flock<File>>, Error> {
    let failed = || Error::io("open", path.display().to_string());
    loop {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
        match Flock::lock(file.map_err(failed())?, FlockArg::LockExclusiveNonblock) {
            Ok(file) if is_at(&file, path) => return Ok(Some(file)),
            Ok(_) => {}
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => return Ok(None),
            Err((_, errno)) => return Err(failed()(errno.into())),
        }
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(open), Ok(named)) = (file.metadata(), fs::metadata(path)) else { return false };
    (open.dev(), open.ino()) == (named.dev(), named.ino())
}

fn busy(path: &Path) -> Error {
    Error::io("lock", path.display().to_string())(io::ErrorKind::ResourceBusy.into())
}

/// Removes what nobody can go on with. The caller holds the store's lock.
pub(super) fn remove_abandoned(folder: &Path) -> io::Result<()> {
    remove_parts(folder, |path, age| path.extension().is_none_or(|kind| kind != PART) || age > PATIENCE)
}

/// Removes the files of dead processes that `unwanted` says are not wanted.
pub(super) fn remove_parts(folder: &Path, unwanted: impl Fn(&Path, Duration) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Ok(file) = File::open(&path) else { continue };
        let written = file.metadata()?.modified()?;
        let age = SystemTime::now().duration_since(written).unwrap_or_default();
        if unwanted(&path, age) && Flock::lock(file, FlockArg::LockExclusiveNonblock).is_ok() {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}
