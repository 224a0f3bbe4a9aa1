//! The images that playgrounds can start from, read from the store again only when it has changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

use sandlot_runtime::image::{Error, Reference, Scope, Store};
use sandlot_runtime::supervisor::name::DiffId;

use super::progress::{self, Making};

/// What an image is good for right now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageState {
    /// Sessions can start from these layers, the lowest first.
    Ready(Vec<DiffId>),
    /// It is being made.
    Making(Making),
    /// The last try to make it failed, for this reason.
    Failed(String),
    /// Nobody made or imported it.
    Missing,
}

/// Reader of the store and of the makers' progress.
#[derive(Debug)]
pub struct Catalog {
    store: Store,
    index: PathBuf,
    progress: PathBuf,
    /// Replaced as a whole when the index has changed.
    known: Mutex<Known>,
}

/// What was read last.
#[derive(Debug, Default)]
struct Known {
    /// Time of the index it was read from.
    of: Option<SystemTime>,
    layers: BTreeMap<Reference, Vec<DiffId>>,
}

impl Catalog {
    /// Opens the store below the state directory; run as the uid that owns it.
    ///
    /// # Errors
    /// When the store cannot be opened or made.
    pub fn open(state_dir: &Path, run_dir: &Path) -> Result<Self, Error> {
        let folder = super::store_dir(state_dir);
        let store = Store::open(&folder)?;
        let progress = super::progress_dir(run_dir);
        Ok(Self { store, index: folder.join("index.json"), progress, known: Mutex::default() })
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What the image of this name is good for. An image that is still being unpacked counts as being made.
    pub fn state(&self, name: &str) -> ImageState {
        let progress = progress::read(&self.progress, name);
        match (progress, self.layers(name)) {
            (Some((making, true)), _) => ImageState::Making(making),
            (_, Some(layers)) => ImageState::Ready(layers),
            (Some((Making { failed: Some(why), .. }, false)), None) => ImageState::Failed(why),
            (_, None) => ImageState::Missing,
        }
    }

    fn layers(&self, name: &str) -> Option<Vec<DiffId>> {
        let changed = std::fs::metadata(&self.index).and_then(|m| m.modified()).ok();
        let mut known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if known.of != changed || changed.is_none() {
            *known = Known { of: changed, layers: self.read() };
        }
        known.layers.get(&name.parse().ok()?).cloned()
    }

    /// All images of the store. One that cannot be read is as good as none: its playgrounds say that it is missing.
    fn read(&self) -> BTreeMap<Reference, Vec<DiffId>> {
        let images = self.store.images(&Scope::Node).unwrap_or_else(|error| {
            tracing::error!(%error, "read the content store");
            Vec::new()
        });
        let named = images.into_iter().filter_map(|image| {
            let layers = image.diff_ids();
            Some((image.reference?, layers))
        });
        named.collect()
    }
}
