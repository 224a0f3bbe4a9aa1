//! A lease: what a process has brought in or relies on stays until it has named it, or is dead.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::fcntl::{Flock, FlockArg};
use oci_spec::image::Descriptor;

use super::blob::{Blob, Incoming, Receiving};
use super::{Names, Store};
use crate::image::compression::copy;
use crate::image::{Digest, Error, Reference, Scope};

/// Holds blobs of a store. May be used from several threads.
#[derive(Debug)]
pub struct Lease {
    store: Store,
    path: PathBuf,
    file: Flock<File>,
}

impl Store {
    /// Takes a lease that holds nothing yet.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn lease(&self) -> Result<Lease, Error> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = self.leases().join(format!("{}-{number}", std::process::id()));
        let name = path.display().to_string();
        // Under the lock: a file that is not yet locked looks like a dead process's.
        let _lock = self.lock(FlockArg::LockShared)?;
        let file = File::options().create(true).append(true).open(&path);
        let file = file.map_err(Error::io("create", name.clone()))?;
        let file = Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map_err(|(_, errno)| Error::io("lock", name)(errno.into()))?;
        Ok(Lease { store: self.clone(), path, file })
    }
}

impl Lease {
    /// The store that it is a lease of.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Holds a blob; whether it is there.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn hold(&self, digest: &Digest) -> Result<bool, Error> {
        let _lock = self.store.lock(FlockArg::LockShared)?;
        self.note(digest)?;
        Ok(self.store.has(digest))
    }

    /// Begins to receive what a descriptor promises, unless it is there.
    ///
    /// # Errors
    /// When it is too large or the file system refuses.
    pub fn receive(&self, promised: &Descriptor) -> Result<Receiving, Error> {
        let digest = Digest::promised(promised)?;
        if self.hold(&digest)? {
            return Ok(Receiving::There);
        }
        let expected = Blob { digest: digest.clone(), size: promised.size() };
        let incoming = Incoming::known(&self.store.incoming(), expected)?;
        Ok(match incoming {
            // Whoever had the lock may have just finished.
            _ if self.store.has(&digest) => Receiving::There,
            Some(incoming) => Receiving::Wanted(Box::new(incoming)),
            None => Receiving::Busy,
        })
    }

    /// Begins to receive content whose digest will be known at its end, by SHA-256.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn begin(&self) -> Result<Incoming, Error> {
        Incoming::unknown(&self.store.incoming())
    }

    /// Verifies received content and makes it a blob of the store.
    ///
    /// # Errors
    /// When it is not what was promised, or the file system refuses.
    pub fn finish(&self, incoming: Incoming) -> Result<Blob, Error> {
        let complete = incoming.complete()?;
        let _lock = self.store.lock(FlockArg::LockShared)?;
        self.note(&complete.blob.digest)?;
        complete.publish(&self.store)
    }

    /// Brings a stream in.
    ///
    /// # Errors
    /// When it cannot be read, is too large, or the file system refuses.
    pub fn add(&self, content: &mut impl Read) -> Result<Blob, Error> {
        let mut incoming = self.begin()?;
        copy(content, |bytes| incoming.write_all(bytes)).map_err(Error::io("receive", "a blob"))?;
        self.finish(incoming)
    }

    /// Brings in what a descriptor promises, from a source that gives all of it again.
    ///
    /// # Errors
    /// As for [`Lease::add`], and when the content is another one.
    pub fn add_promised(&self, promised: &Descriptor, content: &mut impl Read) -> Result<Blob, Error> {
        let digest = Digest::promised(promised)?;
        loop {
            match self.receive(promised)? {
                Receiving::There => return Ok(Blob { digest, size: promised.size() }),
                // The other one may be slow or die; both end.
                Receiving::Busy => std::thread::sleep(std::time::Duration::from_millis(20)),
                Receiving::Wanted(mut incoming) => {
                    incoming.restart()?;
                    copy(content, |bytes| incoming.write_all(bytes))
                        .map_err(Error::io("receive", digest.to_string()))?;
                    return self.finish(*incoming);
                }
            }
        }
    }

    /// Names what the lease holds, in one step.
    ///
    /// # Errors
    /// When names cannot be read or written.
    pub fn commit(&self, scope: &Scope, names: &[(Option<Reference>, Descriptor)]) -> Result<(), Error> {
        self.store.change_names(scope, |all| {
            names.iter().try_for_each(|(reference, target)| all.set(reference.as_ref(), target))
        })
    }

    /// Keeps what is about a manifest, as long as that has a name.
    ///
    /// # Errors
    /// As for [`Lease::commit`].
    pub fn commit_about(&self, scope: &Scope, subject: &Digest, target: &Descriptor) -> Result<(), Error> {
        self.store.change_names(scope, |all| all.set_about(subject, target))
    }

    /// One line for each digest. A crash leaves at most a half line, of a lease that is dead.
    fn note(&self, digest: &Digest) -> Result<(), Error> {
        let name = self.path.display().to_string();
        (&*self.file).write_all(format!("{digest}\n").as_bytes()).map_err(Error::io("write", name))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // A file that stays is removed by the next one who opens the store.
        fs::remove_file(&self.path).ok();
    }
}

impl Store {
    /// Changes the names of a scope in one step.
    pub(super) fn change_names<T>(
        &self,
        scope: &Scope,
        change: impl FnOnce(&mut Names) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let _lock = self.lock(FlockArg::LockExclusive)?;
        let path = self.names_of(scope);
        let mut names = Names::read(&path)?;
        let changed = change(&mut names)?;
        names.write(&path)?;
        Ok(changed)
    }
}

/// Digests that living processes hold. The caller holds the store's lock exclusively.
pub(super) fn held(folder: &Path) -> io::Result<Vec<Digest>> {
    let mut digests = Vec::new();
    for entry in fs::read_dir(folder)? {
        let Ok(mut file) = File::open(entry?.path()) else { continue };
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        if lives(file) {
            digests.extend(text.lines().filter_map(|line| line.parse::<Digest>().ok()));
        }
    }
    Ok(digests)
}

/// Removes the leases of the dead.
pub(super) fn remove_abandoned(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if File::open(&path).is_ok_and(|file| !lives(file)) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

fn lives(file: File) -> bool {
    Flock::lock(file, FlockArg::LockSharedNonblock).is_err()
}
