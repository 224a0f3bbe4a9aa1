//! Proving that the store is whole: every name leads to blobs that are what their digests say.

use std::fs;

use nix::fcntl::FlockArg;

use super::{Names, Store};
use crate::image::compression::copy;
use crate::image::digest::{Algorithm, Hasher};
use crate::image::document::Manifest;
use crate::image::{Digest, Error, media};

/// Something is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A blob has another digest or cannot be read.
    #[error("blob {digest}: {cause}")]
    Damaged {
        /// Which.
        digest: Digest,
        /// What is wrong.
        cause: String,
    },
    /// A name leads to something that is not there or cannot be understood.
    #[error("image {name} of scope {scope}: {cause}")]
    Broken {
        /// The name, or the digest of one without.
        name: String,
        /// Whose.
        scope: String,
        /// What is wrong.
        cause: String,
    },
    /// A file that does not belong there.
    #[error("file `{0}` is none of the store's")]
    Foreign(String),
}

impl Store {
    /// Reads everything, and tells what is wrong; nothing is changed.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn verify(&self) -> Result<Vec<Problem>, Error> {
        let _lock = self.lock(FlockArg::LockShared)?;
        let mut problems = Vec::new();
        for algorithm in Algorithm::ALL {
            for entry in fs::read_dir(self.blobs(algorithm)).map_err(self.refused("read"))? {
                let path = entry.map_err(self.refused("read"))?.path();
                let name =
                    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                match format!("{}:{name}", algorithm.name()).parse::<Digest>() {
                    Ok(digest) => problems.extend(self.verify_blob(digest)),
                    Err(_) => problems.push(Problem::Foreign(path.display().to_string())),
                }
            }
        }
        for scope in self.scopes()? {
            for entry in Names::read(&self.names_of(&scope))?.entries() {
                let checked = self.verify_entry(&entry.target, entry.is_image());
                problems.extend(
                    checked.err().map(|cause| Problem::Broken {
                        name: entry
                            .reference
                            .as_ref()
                            .map_or_else(|| entry.digest.to_string(), ToString::to_string),
                        scope: scope.to_string(),
                        cause: cause.to_string(),
                    }),
                );
            }
        }
        Ok(problems)
    }

    fn verify_blob(&self, digest: Digest) -> Option<Problem> {
        let mut hasher = Hasher::new(digest.algorithm());
        let read = self.open_blob(&digest).and_then(|mut file| {
            copy(&mut file, |bytes| {
                hasher.update(bytes);
                Ok(())
            })
            .map_err(Error::io("read", digest.to_string()))
        });
        let cause = match read {
            Err(error) => Some(error.to_string()),
            Ok(_) => {
                let found = hasher.finish();
                (found != digest).then(|| format!("its digest is {found}"))
            }
        };
        cause.map(|cause| Problem::Damaged { digest, cause })
    }

    fn verify_entry(&self, target: &oci_spec::image::Descriptor, is_image: bool) -> Result<(), Error> {
        if is_image {
            self.read_image(None, target)?;
        }
        let mut next = vec![target.clone()];
        while let Some(descriptor) = next.pop() {
            let digest = Digest::promised(&descriptor)?;
            let size = self.open_blob(&digest)?.metadata().map_err(self.refused("look at"))?.len();
            if size != descriptor.size() {
                return Err(Error::Size { digest, expected: descriptor.size(), found: size });
            }
            if !media::has_children(&descriptor) {
                continue;
            }
            let manifest = self.manifest(&descriptor)?;
            // Of an index only what was wanted is here.
            let partly = matches!(manifest, Manifest::Index(_));
            let here = |child: &&oci_spec::image::Descriptor| {
                !partly || Digest::promised(child).is_ok_and(|digest| self.has(&digest))
            };
            next.extend(manifest.children().into_iter().filter(here).cloned());
        }
        Ok(())
    }
}
