//! Handing the layers of an image to the supervisor, which unpacks them once for all sessions.

use std::os::fd::AsFd;

use sandlot_runtime::image::{Error, Image, Store};
use sandlot_runtime::supervisor::client::{Client, ClientError};
use sandlot_runtime::supervisor::name::DiffId;
use sandlot_runtime::supervisor::protocol::{Reply, Request};

/// Layers could not be handed over.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The store has no such content, or cannot be read.
    #[error(transparent)]
    Store(#[from] Error),
    /// The supervisor refused or is gone.
    #[error("unpack a layer: {0}")]
    Supervisor(#[from] ClientError),
}

/// Has every layer of every image unpacked that is not yet.
///
/// # Errors
/// At the first layer that fails.
pub fn unpack_missing(store: &Store, supervisor: &mut Client) -> Result<(), UnpackError> {
    for image in store.images()? {
        unpack_one(store, &image, supervisor)?;
    }
    Ok(())
}

/// Has every layer of one image unpacked that is not yet.
///
/// # Errors
/// At the first layer that fails.
pub fn unpack_one(store: &Store, image: &Image, supervisor: &mut Client) -> Result<(), UnpackError> {
    let layers: Vec<DiffId> = image.layers.iter().map(|layer| layer.diff_id.clone()).collect();
    let (reply, _) = supervisor.call(Request::HaveLayers { layers: layers.clone() }, &[])?;
    let Reply::Layers { layers: there } = reply else { return Err(ClientError::WrongReply.into()) };
    for layer in layers.into_iter().filter(|layer| !there.contains(layer)) {
        let tar = store.layer_tar(&image.reference, &layer)?;
        supervisor.call(Request::UnpackLayer { layer }, &[tar.as_fd()])?;
    }
    Ok(())
}
