//! Pulling an image: its documents first, then its layers, several at once; each is unpacked as soon as it is there.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use oci_spec::image::{Descriptor, MediaType};
use sandlot_runtime::image::{
    Digest, Error as StoreError, Image, Incoming, Layer, Lease, Manifest, Platform, Receiving, Reference,
    Scope, Store,
};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinSet, spawn_blocking};

use super::UnpackError;
use crate::registry::{self, Client};

/// Layers that are fetched at once.
const LAYERS_AT_ONCE: usize = 3;
/// Pieces of a layer between the network and the disk.
const PIECES: usize = 8;
/// Between two looks at a layer that another process is fetching.
const LOOK: Duration = Duration::from_millis(100);
/// Manifests about an image that are pulled with it, at most, and how large each of their blobs may be.
const MAX_REFERRERS: usize = 16;
const MAX_REFERRER_BYTES: u64 = 16 << 20;

/// A pull failed. What has come stays for the next try.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The registry refused, lied or is away.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// The store refused, or the content is no image.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A layer could not be unpacked.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// A layer could not be written.
    #[error("write layer {digest}: {source}")]
    Write {
        /// Which.
        digest: Digest,
        /// Why.
        source: std::io::Error,
    },
    /// A task of it ended.
    #[error("a task of the pull ended early")]
    Ended,
}

/// How far one layer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It will be fetched.
    Wanted,
    /// It is here already.
    Exists,
    /// So many bytes of it have come.
    Fetching(u64),
    /// All of it is here and verified.
    Fetched,
    /// It stands unpacked.
    Done,
}

/// Is told of the layers.
pub type Tell = Arc<dyn Fn(&Layer, Stage) + Send + Sync>;
/// Unpacks a layer, in a thread that may wait.
pub type Unpack = Arc<dyn Fn(&Store, &Layer) -> Result<(), UnpackError> + Send + Sync>;

/// A pull and what it needs.
pub struct Pull {
    /// Where from.
    pub client: Client,
    /// Where to.
    pub store: Store,
    /// Who sees it.
    pub scope: Scope,
    /// For which machines.
    pub platform: Platform,
    /// Is told of the layers.
    pub tell: Tell,
    /// Unpacks layers; `None` leaves that for later, and the layers are read through instead.
    pub unpack: Option<Unpack>,
}

impl std::fmt::Debug for Pull {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pull")
            .field("scope", &self.scope)
            .field("platform", &self.platform)
            .finish_non_exhaustive()
    }
}

impl Pull {
    /// Pulls an image and names it.
    ///
    /// # Errors
    /// When anything is not as it should be; no name has changed then.
    pub async fn run(&self, reference: &Reference) -> Result<Image, PullError> {
        let store = self.store.clone();
        let lease = Arc::new(blocking(move || Ok(store.lease()?)).await?);
        let (target, manifest) = self.documents(reference, &lease).await?;
        self.blob(reference, &lease, manifest.config()).await?;
        let (store, platform, top) = (self.store.clone(), self.platform.clone(), target.clone());
        let image = blocking(move || Ok(store.image_of(&top, &platform)?)).await?;
        self.layers(reference, &lease, &image).await?;
        let about = self.referrers(reference, &lease, &target).await;
        let name = reference.clone();
        let (scope, top) = (self.scope.clone(), target.clone());
        let commit = move || {
            lease.commit(&scope, &[(Some(name), top.clone())])?;
            let subject = Digest::promised(&top)?;
            about.iter().try_for_each(|target| lease.commit_about(&scope, &subject, target))?;
            Ok(())
        };
        blocking(commit).await?;
        Ok(Image { reference: Some(reference.clone()), ..image })
    }

    /// What the name stands for, and the manifest for the platform.
    async fn documents(
        &self,
        reference: &Reference,
        lease: &Arc<Lease>,
    ) -> Result<(Descriptor, oci_spec::image::ImageManifest), PullError> {
        let mut descriptor = self.document(reference, lease).await?;
        let target = descriptor.clone();
        for _ in 0..3 {
            let digest = Digest::promised(&descriptor)?;
            let bytes = self.store.document(&digest)?;
            match Manifest::parse(&bytes, descriptor.media_type())? {
                Manifest::Image(manifest) => return Ok((target, *manifest)),
                Manifest::Index(index) => {
                    let chosen = Digest::promised(self.platform.choose(&index)?)?;
                    descriptor = self.document(&reference.with_digest(chosen), lease).await?;
                }
            }
        }
        Err(StoreError::Document {
            document: "an index".to_owned(),
            cause: "it is nested too deep".to_owned(),
        }
        .into())
    }

    async fn document(&self, reference: &Reference, lease: &Arc<Lease>) -> Result<Descriptor, PullError> {
        let fetched = self.client.manifest(reference).await?;
        let (lease, kind) = (Arc::clone(lease), MediaType::from(fetched.media_type.as_str()));
        let size = fetched.bytes.len() as u64;
        let digest = fetched.digest.to_string().parse().map_err(|_| PullError::Ended)?;
        let descriptor = Descriptor::new(kind, size, oci_spec::image::Digest::clone(&digest));
        let promised = descriptor.clone();
        blocking(move || Ok(lease.add_promised(&promised, &mut &fetched.bytes[..])?)).await?;
        Ok(descriptor)
    }

    /// All layers, several at once.
    async fn layers(
        &self,
        reference: &Reference,
        lease: &Arc<Lease>,
        image: &Image,
    ) -> Result<(), PullError> {
        let permits = Arc::new(Semaphore::new(LAYERS_AT_ONCE));
        let mut tasks = JoinSet::new();
        for layer in image.layers.clone() {
            (self.tell)(&layer, Stage::Wanted);
            let one = OneLayer {
                client: self.client.clone(),
                reference: reference.clone(),
                lease: Arc::clone(lease),
                tell: Arc::clone(&self.tell),
                unpack: self.unpack.clone(),
                layer,
            };
            let permits = Arc::clone(&permits);
            tasks.spawn(async move {
                let _permit = permits.acquire_owned().await.map_err(|_| PullError::Ended)?;
                one.run().await
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.map_err(|_| PullError::Ended)??;
        }
        Ok(())
    }

    async fn blob(
        &self,
        reference: &Reference,
        lease: &Arc<Lease>,
        wanted: &Descriptor,
    ) -> Result<(), PullError> {
        fetch(&self.client, reference, lease, wanted, &|_| {}).await.map(drop)
    }

    /// Signatures and the like. That a registry has or gives none is no reason to fail.
    async fn referrers(
        &self,
        reference: &Reference,
        lease: &Arc<Lease>,
        target: &Descriptor,
    ) -> Vec<Descriptor> {
        let mut found = Vec::new();
        let Ok(subject) = Digest::promised(target) else { return found };
        for descriptor in self
            .client
            .referrers(reference, &subject)
            .await
            .unwrap_or_default()
            .into_iter()
            .take(MAX_REFERRERS)
        {
            let Ok(digest) = Digest::promised(&descriptor) else { continue };
            if self.referrer(&reference.with_digest(digest), lease).await.is_ok() {
                found.push(descriptor);
            }
        }
        found
    }

    async fn referrer(&self, reference: &Reference, lease: &Arc<Lease>) -> Result<(), PullError> {
        let descriptor = self.document(reference, lease).await?;
        let bytes = self.store.document(&Digest::promised(&descriptor)?)?;
        let manifest = Manifest::parse(&bytes, descriptor.media_type())?;
        for child in manifest.children() {
            if child.size() > MAX_REFERRER_BYTES {
                return Err(StoreError::TooLarge {
                    object: "a referrer".to_owned(),
                    limit: MAX_REFERRER_BYTES,
                }
                .into());
            }
            self.blob(reference, lease, child).await?;
        }
        Ok(())
    }
}

/// One layer on its way.
struct OneLayer {
    client: Client,
    reference: Reference,
    lease: Arc<Lease>,
    layer: Layer,
    tell: Tell,
    unpack: Option<Unpack>,
}

impl OneLayer {
    async fn run(self) -> Result<(), PullError> {
        let Self { client, reference, lease, layer, tell, unpack } = self;
        let blob = sandlot_runtime::image::Blob { digest: layer.blob.clone(), size: layer.size_bytes };
        let wanted = blob.describe(layer.media_type.clone())?;
        let came = fetch(&client, &reference, &lease, &wanted, &|bytes| tell(&layer, Stage::Fetching(bytes)))
            .await?;
        tell(&layer, if came { Stage::Fetched } else { Stage::Exists });
        let told = layer.clone();
        blocking(move || {
            match unpack {
                Some(unpack) => unpack(lease.store(), &layer)?,
                None => lease.store().verify_layer(&layer)?,
            }
            Ok(())
        })
        .await?;
        tell(&told, Stage::Done);
        Ok(())
    }
}

/// Brings a blob in; whether it had to come. One task reads the network, a thread writes and hashes.
async fn fetch(
    client: &Client,
    reference: &Reference,
    lease: &Arc<Lease>,
    wanted: &Descriptor,
    tell: &(dyn Fn(u64) + Sync),
) -> Result<bool, PullError> {
    let mut incoming = loop {
        let (lease, wanted) = (Arc::clone(lease), wanted.clone());
        match blocking(move || Ok(lease.receive(&wanted)?)).await? {
            Receiving::There => return Ok(false),
            Receiving::Wanted(incoming) => break *incoming,
            Receiving::Busy => tokio::time::sleep(LOOK).await,
        }
    };
    let digest = Digest::promised(wanted)?;
    if incoming.offset() < wanted.size() {
        incoming = transfer(client, reference, &digest, wanted.size(), incoming, tell).await?;
    }
    let lease = Arc::clone(lease);
    blocking(move || Ok(lease.finish(incoming)?)).await?;
    Ok(true)
}

async fn transfer(
    client: &Client,
    reference: &Reference,
    digest: &Digest,
    size: u64,
    mut incoming: Incoming,
    tell: &(dyn Fn(u64) + Sync),
) -> Result<Incoming, PullError> {
    let mut blob = client.blob(reference, digest, size, incoming.offset()).await?;
    let (to_disk, mut from_network) = mpsc::channel::<bytes::Bytes>(PIECES);
    let writer = spawn_blocking(move || {
        while let Some(piece) = from_network.blocking_recv() {
            incoming.write_all(&piece)?;
        }
        Ok(incoming)
    });
    let mut read = Ok(());
    loop {
        match blob.chunk().await {
            Ok(Some(piece)) => {
                if to_disk.send(piece).await.is_err() {
                    // The writer's own error says more.
                    break;
                }
                tell(blob.offset());
            }
            Ok(None) => break,
            Err(error) => {
                read = Err(error);
                break;
            }
        }
    }
    drop(to_disk);
    let written: std::io::Result<Incoming> = writer.await.map_err(|_| PullError::Ended)?;
    let incoming = written.map_err(|source| PullError::Write { digest: digest.clone(), source })?;
    read?;
    Ok(incoming)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PullError> + Send + 'static,
) -> Result<T, PullError> {
    spawn_blocking(work).await.map_err(|_| PullError::Ended)?
}
