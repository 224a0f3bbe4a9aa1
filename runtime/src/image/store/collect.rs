//! What is in use, and removing the rest.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use nix::fcntl::FlockArg;
use oci_spec::image::Descriptor;

use super::{Names, Store, blob, lease};
use crate::image::digest::Algorithm;
use crate::image::{Digest, Error, Scope, ScopeName, media};
use crate::supervisor::name::DiffId;

/// A blob without a name that is younger belongs to a pull that was broken off and may be repeated.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// Everything that must stay.
#[derive(Debug, Default)]
pub(super) struct Used {
    pub(super) blobs: HashSet<Digest>,
    /// Layers that must stand unpacked or may be wanted so.
    pub(super) layers: HashSet<DiffId>,
}

/// What pruning removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Digests of the manifests that had no name.
    pub images: Vec<Digest>,
    /// Blobs that are gone.
    pub blobs: Vec<Digest>,
    /// Their bytes.
    pub bytes: u64,
}

impl Store {
    /// Removes images without a name, with `all` also the results of build steps, then whatever nothing leads to.
    ///
    /// # Errors
    /// When a document cannot be read: then nothing is removed that might be in use.
    pub fn prune(&self, scope: &Scope, all: bool) -> Result<Pruned, Error> {
        let _lock = self.lock(FlockArg::LockExclusive)?;
        let path = self.names_of(scope);
        let mut names = Names::read(&path)?;
        let unnamed = names.entries().iter().filter(|entry| entry.is_image() && entry.reference.is_none());
        let images: Vec<Digest> = unnamed.map(|entry| entry.digest.clone()).collect();
        images.iter().for_each(|digest| names.remove(digest));
        if !images.is_empty() {
            names.write(&path)?;
        }
        if all {
            self.forget_records(scope)?;
        }
        blob::remove_parts(&self.incoming(), |_, _| true).map_err(self.refused("tidy"))?;
        let (blobs, bytes) = self.sweep(&self.used()?, Duration::ZERO)?;
        Ok(Pruned { images, blobs, bytes })
    }

    /// Removes what nothing has led to for a day.
    ///
    /// # Errors
    /// As for [`Store::prune`].
    pub fn collect(&self) -> Result<u64, Error> {
        let _lock = self.lock(FlockArg::LockExclusive)?;
        Ok(self.sweep(&self.used()?, PATIENCE)?.1)
    }

    /// Layers that images or results of build steps may want unpacked.
    ///
    /// # Errors
    /// When a document cannot be read.
    pub fn used_layers(&self) -> Result<HashSet<DiffId>, Error> {
        let _lock = self.lock(FlockArg::LockShared)?;
        Ok(self.used()?.layers)
    }

    /// Every scope that has names.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn scopes(&self) -> Result<Vec<Scope>, Error> {
        let mut scopes = vec![Scope::Node];
        for entry in fs::read_dir(self.root.join("scopes")).map_err(self.refused("read"))? {
            let name = entry.map_err(self.refused("read"))?.file_name();
            let name = name.to_str().and_then(|name| name.strip_suffix(".json"));
            scopes.extend(name.and_then(|name| ScopeName::from_str(name).ok()).map(Scope::Session));
        }
        Ok(scopes)
    }

    pub(super) fn used(&self) -> Result<Used, Error> {
        let mut used = Used::default();
        for scope in self.scopes()? {
            for entry in Names::read(&self.names_of(&scope))?.entries() {
                self.mark(&entry.target, &mut used)?;
                if entry.is_image() {
                    let image = self.read_image(None, &entry.target)?;
                    used.layers.extend(image.layers.into_iter().map(|layer| layer.diff_id));
                }
            }
        }
        self.mark_records(&mut used)?;
        used.blobs.extend(lease::held(&self.leases()).map_err(self.refused("read the leases of"))?);
        Ok(used)
    }

    /// Follows descriptors. What an index names and is not here was left out when the index came.
    fn mark(&self, from: &Descriptor, used: &mut Used) -> Result<(), Error> {
        let mut next = vec![from.clone()];
        while let Some(descriptor) = next.pop() {
            let digest = Digest::promised(&descriptor)?;
            if !used.blobs.insert(digest.clone()) || !media::has_children(&descriptor) {
                continue;
            }
            let manifest = match self.manifest(&descriptor) {
                Err(Error::UnknownBlob(_)) if descriptor != *from => continue,
                other => other?,
            };
            next.extend(manifest.children().into_iter().cloned());
        }
        Ok(())
    }

    /// Removes blobs that are not in use and have been there for so long.
    fn sweep(&self, used: &Used, patience: Duration) -> Result<(Vec<Digest>, u64), Error> {
        let (mut gone, mut bytes) = (Vec::new(), 0);
        for algorithm in Algorithm::ALL {
            for entry in fs::read_dir(self.blobs(algorithm)).map_err(self.refused("read"))? {
                let path = entry.map_err(self.refused("read"))?.path();
                let Some(digest) = digest_of(algorithm, &path).filter(|digest| !used.blobs.contains(digest))
                else {
                    continue;
                };
                let metadata = fs::metadata(&path).map_err(self.refused("look at"))?;
                let written = metadata.modified().map_err(self.refused("look at"))?;
                if SystemTime::now().duration_since(written).unwrap_or_default() >= patience {
                    fs::remove_file(&path).map_err(self.refused("remove from"))?;
                    bytes += metadata.len();
                    gone.push(digest);
                }
            }
        }
        Ok((gone, bytes))
    }

    /// Removes those of `blobs` that are not in use.
    pub(super) fn remove_unused(&self, blobs: HashSet<Digest>, used: &Used) -> Result<Vec<Digest>, Error> {
        let mut gone: Vec<Digest> = blobs.into_iter().filter(|digest| !used.blobs.contains(digest)).collect();
        gone.sort();
        gone.retain(|digest| self.has(digest));
        gone.iter()
            .try_for_each(|digest| fs::remove_file(self.blob(digest)))
            .map_err(self.refused("remove from"))?;
        Ok(gone)
    }

    /// Everything that a manifest leads to.
    pub(super) fn reach(&self, target: &Descriptor) -> Result<HashSet<Digest>, Error> {
        let mut used = Used::default();
        self.mark(target, &mut used)?;
        Ok(used.blobs)
    }

    pub(super) fn refused(&self, operation: &'static str) -> impl Fn(std::io::Error) -> Error + use<> {
        let object = self.root.display().to_string();
        move |source| Error::Io { operation, object: object.clone(), source }
    }
}

fn digest_of(algorithm: Algorithm, path: &Path) -> Option<Digest> {
    format!("{}:{}", algorithm.name(), path.file_name()?.to_str()?).parse().ok()
}
