//! The layers of a stage, and new ones.

use std::fs::File;
use std::io::Seek;
use std::os::fd::AsFd;

use oci_spec::image::{Descriptor, MediaType};
use sandlot_runtime::image::{Algorithm, Digest, Hasher, Image, Layer, Lease};
use sandlot_runtime::supervisor::client::{Client, ClientError};
use sandlot_runtime::supervisor::name::DiffId;
use sandlot_runtime::supervisor::protocol::{Reply, Request};

use super::error::{Error, Result};
use crate::image::unpack_layer;

/// Layers from the lowest to the highest.
#[derive(Debug, Clone, Default)]
pub(super) struct Layers(Vec<Layer>);

impl Layers {
    /// Those of an image.
    pub(super) fn of(image: &Image) -> Self {
        Self(image.layers.clone())
    }

    pub(super) fn diff_ids(&self) -> Vec<DiffId> {
        self.0.iter().map(|layer| layer.diff_id.clone()).collect()
    }

    pub(super) fn push(&mut self, layer: Layer) {
        self.0.push(layer);
    }

    /// For a manifest.
    pub(super) fn describe(&self) -> Result<Vec<Descriptor>> {
        let descriptor = |layer: &Layer| {
            let blob = sandlot_runtime::image::Blob { digest: layer.blob.clone(), size: layer.size_bytes };
            Ok(blob.describe(layer.media_type.clone())?)
        };
        self.0.iter().map(descriptor).collect()
    }

    /// What all of them come to: the same layers in the same order give the same files.
    pub(super) fn chain(&self) -> Digest {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        for layer in &self.0 {
            hasher.update(layer.diff_id.as_hex().as_bytes());
        }
        hasher.finish()
    }

    /// Holds all of them, and has those unpacked that are not.
    pub(super) fn unpack(&self, lease: &Lease, client: &mut Client) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let (reply, _) = client.call(Request::HaveLayers { layers: self.diff_ids() }, &[])?;
        let Reply::Layers { layers: there } = reply else { return Err(ClientError::WrongReply.into()) };
        for layer in self.0.iter().filter(|layer| !there.contains(&layer.diff_id)) {
            lease.hold(&layer.blob)?;
            unpack_layer(lease.store(), layer, client)?;
        }
        Ok(())
    }
}

/// Brings the tar of a new layer into the store.
pub(super) fn receive(lease: &Lease, mut tar: File) -> Result<Layer> {
    let blob = lease.add(&mut tar)?;
    let diff_id =
        DiffId::try_from(blob.digest.hex().to_owned()).map_err(|error| Error::Request(error.to_string()))?;
    Ok(Layer { blob: blob.digest, diff_id, size_bytes: blob.size, media_type: MediaType::ImageLayer })
}

/// Has a new layer unpacked, so that the next step may stand on it.
pub(super) fn unpack(lease: &Lease, layer: &Layer, client: &mut Client) -> Result<()> {
    let mut tar = lease.store().open_blob(&layer.blob)?;
    tar.rewind().map_err(Error::io("read a layer"))?;
    client.call(Request::UnpackLayer { layer: layer.diff_id.clone() }, &[tar.as_fd()])?;
    Ok(())
}
