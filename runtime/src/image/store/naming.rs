//! Giving and taking names.

use std::collections::HashSet;
use std::fs;

use nix::fcntl::FlockArg;

use super::{Image, Names, Store};
use crate::image::{Digest, Error, Reference, Scope};
use crate::supervisor::name::DiffId;

/// What a removal did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// Names that are gone.
    pub untagged: Vec<Reference>,
    /// Blobs that are gone.
    pub deleted: Vec<Digest>,
    /// Layers that no image needs any more.
    pub layers: Vec<DiffId>,
}

impl Store {
    /// Gives an image that a scope sees a name in that scope.
    ///
    /// # Errors
    /// When there is no such image.
    pub fn tag(&self, scope: &Scope, image: &str, name: &Reference) -> Result<(), Error> {
        let target = self.find(scope, image)?.target;
        self.change_names(scope, |names| names.set(Some(name), &target))
    }

    /// Takes a name of the scope's own away, or all names of an id; blobs that nothing needs any more go with the last
    /// one. An id with several names needs `force`.
    ///
    /// # Errors
    /// When the scope has no such image, or the file system refuses.
    pub fn remove(&self, scope: &Scope, text: &str, force: bool) -> Result<Removed, Error> {
        let _lock = self.lock(FlockArg::LockExclusive)?;
        let path = self.names_of(scope);
        let mut names = Names::read(&path)?;
        let image = self.find(scope, text)?;
        let digest = image.digest()?;
        let own: Vec<Reference> = names
            .entries()
            .iter()
            .filter(|entry| entry.digest == digest)
            .filter_map(|entry| entry.reference.clone())
            .collect();
        if !names.entries().iter().any(|entry| entry.digest == digest) {
            return Err(Error::UnknownImage(text.to_owned()));
        }
        let by_name = text
            .parse::<Reference>()
            .ok()
            .and_then(|name| names.find(&name).and_then(|entry| entry.reference.clone()));
        let about = self.reach_with_referrers(&names, &image)?;
        let untagged = match by_name {
            Some(name) => {
                names.remove_name(&name);
                vec![name]
            }
            None if own.len() > 1 && !force => {
                let names = own.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                return Err(Error::SeveralNames { id: text.to_owned(), names });
            }
            None => {
                names.remove(&digest);
                own
            }
        };
        names.write(&path)?;
        let used = self.used()?;
        let layers = image.diff_ids().into_iter().filter(|layer| !used.layers.contains(layer)).collect();
        Ok(Removed { untagged, deleted: self.remove_unused(about, &used)?, layers })
    }

    /// Forgets all names and results of a session; what only they needed is removed. Returns the layers among it.
    ///
    /// # Errors
    /// When a document cannot be read or the file system refuses.
    pub fn remove_scope(&self, scope: &Scope) -> Result<Vec<DiffId>, Error> {
        if *scope == Scope::Node {
            return Ok(Vec::new());
        }
        let _lock = self.lock(FlockArg::LockExclusive)?;
        let path = self.names_of(scope);
        let names = Names::read(&path)?;
        let (mut blobs, mut layers) = self.records_of(scope)?;
        for entry in names.entries() {
            blobs.extend(self.reach(&entry.target)?);
            if entry.is_image() {
                layers.extend(self.read_image(None, &entry.target)?.diff_ids());
            }
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            other => other.map_err(self.refused("forget a scope of"))?,
        }
        self.forget_records(scope)?;
        let used = self.used()?;
        self.remove_unused(blobs, &used)?;
        Ok(layers.into_iter().filter(|layer| !used.layers.contains(layer)).collect())
    }

    fn reach_with_referrers(&self, names: &Names, image: &Image) -> Result<HashSet<Digest>, Error> {
        let mut reached = self.reach(&image.target)?;
        for entry in names.entries() {
            if entry.subject.as_ref().is_some_and(|subject| reached.contains(subject)) {
                reached.extend(self.reach(&entry.target)?);
            }
        }
        Ok(reached)
    }
}
