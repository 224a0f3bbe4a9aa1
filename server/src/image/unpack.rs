//! Handing the layers of an image to the supervisor, which unpacks them once for all sessions.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::pipe2;
use sandlot_runtime::image::{Error, Image, Layer, Store, Tar};
use sandlot_runtime::supervisor::client::{Client, ClientError};
use sandlot_runtime::supervisor::name::DiffId;
use sandlot_runtime::supervisor::protocol::{Reply, Request};

/// As much as the kernel lets anyone have.
const PIPE_BYTES: i32 = 1 << 20;

/// A pull does not take longer from unpacking its first layer to naming the image.
const UNUSED_SECONDS: u64 = 24 * 3600;

/// Layers could not be handed over.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The store has no such content, or cannot be read.
    #[error(transparent)]
    Store(#[from] Error),
    /// No pipe to be had.
    #[error("unpack a layer: make a pipe: {0}")]
    Pipe(#[source] io::Error),
    /// The layer could not be uncompressed.
    #[error("unpack a layer: uncompress it: {0}")]
    Stream(#[source] io::Error),
    /// The supervisor refused or is gone.
    #[error("unpack a layer: {0}")]
    Supervisor(#[from] ClientError),
}

/// Has every layer of every image unpacked that is not yet.
///
/// # Errors
/// At the first layer that fails.
pub fn unpack_missing(store: &Store, supervisor: &mut Client) -> Result<(), UnpackError> {
    for scope in store.scopes()? {
        for image in store.images(&scope)? {
            unpack_one(store, &image, supervisor)?;
        }
    }
    Ok(())
}

/// Has every layer of one image unpacked that is not yet.
///
/// # Errors
/// At the first layer that fails.
pub fn unpack_one(store: &Store, image: &Image, supervisor: &mut Client) -> Result<(), UnpackError> {
    let layers: Vec<DiffId> = image.diff_ids();
    let (reply, _) = supervisor.call(Request::HaveLayers { layers }, &[])?;
    let Reply::Layers { layers: there } = reply else { return Err(ClientError::WrongReply.into()) };
    for layer in image.layers.iter().filter(|layer| !there.contains(&layer.diff_id)) {
        unpack_layer(store, layer, supervisor)?;
    }
    Ok(())
}

/// Removes unpacked layers that neither an image nor the result of a build step has. One that came lately may be of an
/// image that is still being pulled, so it stays.
///
/// # Errors
/// When the store cannot be read or the supervisor does not answer.
pub fn remove_unused(store: &Store, supervisor: &mut Client) -> Result<(), UnpackError> {
    let used = store.used_layers()?;
    let mut after = None;
    loop {
        let request = Request::ListLayers { after: after.take(), min_age_seconds: UNUSED_SECONDS };
        let Reply::Layers { layers } = supervisor.call(request, &[])?.0 else {
            return Err(ClientError::WrongReply.into());
        };
        let Some(last) = layers.last().cloned() else { return Ok(()) };
        for layer in layers.into_iter().filter(|layer| !used.contains(layer)) {
            match supervisor.call(Request::RemoveLayer { layer }, &[]) {
                // A session still uses it.
                Ok(_) | Err(ClientError::Refused(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        after = Some(last);
    }
}

/// Has one layer unpacked, unless it stands already.
///
/// # Errors
/// When it cannot be read or the supervisor refuses.
pub fn unpack_layer_unless_there(
    store: &Store,
    layer: &Layer,
    supervisor: &mut Client,
) -> Result<(), UnpackError> {
    let layers = vec![layer.diff_id.clone()];
    match supervisor.call(Request::HaveLayers { layers }, &[])?.0 {
        Reply::Layers { layers } if layers.is_empty() => unpack_layer(store, layer, supervisor),
        Reply::Layers { .. } => Ok(()),
        _ => Err(ClientError::WrongReply.into()),
    }
}

/// Has one layer unpacked, which is uncompressed on the way.
///
/// # Errors
/// When it cannot be read or the supervisor refuses.
pub fn unpack_layer(store: &Store, layer: &Layer, supervisor: &mut Client) -> Result<(), UnpackError> {
    let request = Request::UnpackLayer { layer: layer.diff_id.clone() };
    match store.layer_tar(layer)? {
        Tar::File(file) => drop(supervisor.call(request, &[file.as_fd()])?),
        Tar::Stream(tar) => unpack_stream(tar, request, supervisor)?,
    }
    Ok(())
}

/// One thread uncompresses while a worker of the supervisor unpacks.
fn unpack_stream(
    tar: Box<dyn Read + Send>,
    request: Request,
    supervisor: &mut Client,
) -> Result<(), UnpackError> {
    let (from, to) = wide_pipe().map_err(UnpackError::Pipe)?;
    let writer = std::thread::spawn(move || write_all(tar, &to));
    let called = supervisor.call(request, &[from.as_fd()]);
    drop(from);
    let written = writer.join().unwrap_or_else(|_| Err(io::Error::other("the thread ended")));
    match (called, written) {
        (Ok(_), _) => Ok(()),
        // What the worker says of a stream that ended early follows from this.
        (Err(_), Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => Err(UnpackError::Stream(error)),
        (Err(error), _) => Err(error.into()),
    }
}

fn write_all(mut tar: Box<dyn Read + Send>, mut to: &File) -> io::Result<()> {
    io::copy(&mut io::BufReader::with_capacity(PIPE_BYTES as usize / 4, &mut tar), &mut to).map(drop)
}

fn wide_pipe() -> io::Result<(File, File)> {
    let (from, to) = pipe2(OFlag::O_CLOEXEC)?;
    // Only slower without: the user may have used up what the kernel gives.
    fcntl(&to, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES)).ok();
    Ok((from.into(), to.into()))
}
