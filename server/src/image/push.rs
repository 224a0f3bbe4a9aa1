//! Pushing an image: layers and configuration first, then what names them.
//!
//! Layers that were built here are uncompressed in the store; they travel as gzip, and what they were compressed to is
//! kept for the next push. What came from a registry travels as it came.

use std::io::{Read, Write};
use std::sync::Arc;

use flate2::write::GzEncoder;
use oci_spec::image::{Descriptor, MediaType};
use sandlot_runtime::image::{
    Digest, Error as StoreError, Image, Lease, Manifest, Record, Reference, Scope, Store, assemble,
};
use tokio::task::spawn_blocking;

use crate::registry::{self, Client, Outgoing, Pushed};

/// A push failed.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The registry refused or is away.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// The store lacks something.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A layer could not be read or compressed.
    #[error("compress a layer: {0}")]
    Compress(#[source] std::io::Error),
    /// A task of it ended.
    #[error("a task of the push ended early")]
    Ended,
}

/// What became of one blob.
pub type Tell = Arc<dyn Fn(&Digest, Pushed) + Send + Sync>;

/// A push and what it needs.
pub struct Push {
    /// Where to.
    pub client: Client,
    /// Where from.
    pub store: Store,
    /// Whose image.
    pub scope: Scope,
    /// Is told of the blobs.
    pub tell: Tell,
}

impl std::fmt::Debug for Push {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Push").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl Push {
    /// Pushes an image under its own name; returns the digest that the name stands for there, and its size.
    ///
    /// # Errors
    /// When the registry refuses anything; blobs that it has stay there for the next try.
    pub async fn run(&self, image: &Image, name: &Reference) -> Result<(Digest, u64), PushError> {
        let (store, scope, image) = (self.store.clone(), self.scope.clone(), image.clone());
        let prepare = move || prepare(&store, &scope, &image);
        let (top, lease) = spawn_blocking(prepare).await.map_err(|_| PushError::Ended)??;
        let digest = self.tree(&top, name, true).await?;
        self.referrers(name, &digest).await?;
        drop(lease);
        Ok((digest, top.size()))
    }

    /// A manifest with everything below it, the lowest first; the topmost under the name.
    async fn tree(&self, top: &Descriptor, name: &Reference, is_named: bool) -> Result<Digest, PushError> {
        let digest = Digest::promised(top)?;
        let bytes = self.store.document(&digest)?;
        let manifest = Manifest::parse(&bytes, top.media_type())?;
        for child in manifest.children() {
            match &manifest {
                Manifest::Index(_) => drop(Box::pin(self.tree(child, name, false)).await?),
                Manifest::Image(_) => self.blob(child, name).await?,
            }
        }
        let by_digest = name.with_digest(digest.clone());
        let to = if is_named { name } else { &by_digest };
        self.client.push_manifest(to, top.media_type().as_ref(), &bytes).await?;
        Ok(digest)
    }

    async fn blob(&self, blob: &Descriptor, name: &Reference) -> Result<(), PushError> {
        let digest = Digest::promised(blob)?;
        let other = self.elsewhere(&digest, name)?;
        let outgoing = Outgoing { digest: &digest, size: blob.size(), mount_from: other.as_deref() };
        let mut content = tokio::fs::File::from_std(self.store.open_blob(&digest)?);
        let pushed = self.client.push_blob(name, outgoing, &mut content, &mut |_| {}).await?;
        (self.tell)(&digest, pushed);
        Ok(())
    }

    /// A repository of the same registry that may have the blob, since an image from there has it.
    fn elsewhere(&self, blob: &Digest, name: &Reference) -> Result<Option<String>, PushError> {
        let has = |image: &Image| image.layers.iter().any(|layer| layer.blob == *blob);
        let images = self.store.images(&self.scope)?;
        let mut others =
            images.iter().filter(|image| has(image)).filter_map(|image| image.reference.as_ref());
        let other = others.find(|other| other.registry() == name.registry() && !other.is_beside(name));
        Ok(other.map(|other| other.repository().to_owned()))
    }

    /// What the store keeps about the image goes with it.
    async fn referrers(&self, name: &Reference, subject: &Digest) -> Result<(), PushError> {
        for about in self.store.referrers(&self.scope, subject)? {
            self.tree(&about, name, false).await?;
        }
        Ok(())
    }
}

/// What is to be pushed: the index if all of it is here, else the manifest; with layers as they travel.
fn prepare(store: &Store, scope: &Scope, image: &Image) -> Result<(Descriptor, Lease), PushError> {
    let lease = store.lease()?;
    let top = store.saved_target(image)?;
    let is_plain = |kind: &MediaType| *kind == MediaType::ImageLayer;
    if top != image.manifest || !image.layers.iter().any(|layer| is_plain(&layer.media_type)) {
        return Ok((top, lease));
    }
    let mut layers = Vec::new();
    for layer in &image.layers {
        let blob = sandlot_runtime::image::Blob { digest: layer.blob.clone(), size: layer.size_bytes };
        layers.push(match is_plain(&layer.media_type) {
            true => compressed(store, scope, &lease, &layer.blob)?,
            false => blob.describe(layer.media_type.clone())?,
        });
    }
    let size = store.document(&image.id)?.len() as u64;
    let configuration = sandlot_runtime::image::Blob { digest: image.id.clone(), size };
    Ok((assemble::manifest(&lease, configuration.describe(MediaType::ImageConfig)?, layers)?, lease))
}

/// The layer as gzip: what an earlier push made, or new. The same layer always gives the same bytes.
fn compressed(store: &Store, scope: &Scope, lease: &Lease, layer: &Digest) -> Result<Descriptor, PushError> {
    let key = Digest::of(format!("gzip {layer}").as_bytes());
    if let Some(record) = store.record(scope, &key, lease)?
        && let (Some(digest), Some(size)) = (record.blobs.first(), record.note.as_u64())
    {
        let blob = sandlot_runtime::image::Blob { digest: digest.clone(), size };
        return Ok(blob.describe(MediaType::ImageLayerGzip)?);
    }
    let mut content = store.open_blob(layer)?;
    let mut encoder = GzEncoder::new(lease.begin()?, flate2::Compression::default());
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match content.read(&mut buffer).map_err(PushError::Compress)? {
            0 => break,
            length => {
                encoder.write_all(buffer.get(..length).unwrap_or_default()).map_err(PushError::Compress)?
            }
        }
    }
    let blob = lease.finish(encoder.finish().map_err(PushError::Compress)?)?;
    let record = Record { blobs: vec![blob.digest.clone()], layers: Vec::new(), note: blob.size.into() };
    store.put_record(scope, &key, &record)?;
    Ok(blob.describe(MediaType::ImageLayerGzip)?)
}
