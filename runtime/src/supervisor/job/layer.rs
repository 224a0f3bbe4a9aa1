//! Unpacked layers: looked for, unpacked, removed.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;

use super::{refused, refused_step};
use crate::container::userns;
use crate::image::unpack::{self, Unpacking};
use crate::supervisor::ground::Ground;
use crate::supervisor::name::DiffId;
use crate::supervisor::node::IDS_PER_SESSION;
use crate::supervisor::protocol::{MAX_LISTED_LAYERS, Refusal};
use crate::supervisor::worker::{Report, Reporter};

/// Tells which of the layers stand.
pub(super) fn look(ground: &Ground, mut layers: Vec<DiffId>, reporter: &Reporter) -> Result<(), Refusal> {
    let folder = open(ground)?;
    layers.retain(|layer| unpack::is_unpacked(folder.as_fd(), layer).unwrap_or(false));
    reporter.send(&Report::Layers(layers), &[]).map_err(|error| refused("look for layers", &error))
}

/// Lists those that have stood for a while.
pub(super) fn list(
    ground: &Ground,
    after: Option<&DiffId>,
    min_age_seconds: u64,
    reporter: &Reporter,
) -> Result<(), Refusal> {
    let least = Duration::from_secs(min_age_seconds);
    let layers = unpack::list(open(ground)?.as_fd(), least, |layer| after.is_none_or(|after| layer > after))
        .map_err(|errno| refused("list the layers", &errno))?;
    let page = layers.into_iter().take(MAX_LISTED_LAYERS).collect();
    reporter.send(&Report::Layers(page), &[]).map_err(|error| refused("list the layers", &error))
}

/// Unpacks one, in a user namespace over the image range.
pub(super) fn unpack(ground: &Ground, layer: &DiffId, archive: BorrowedFd<'_>) -> Result<(), Refusal> {
    let folder = open(ground)?;
    let image_base = ground.node.uid_base;
    let namespace = userns::create(image_base, IDS_PER_SESSION)
        .map_err(|error| refused_step("unpack a layer", &error))?;
    let unpacking =
        Unpacking { tar: archive, layers: folder.as_fd(), layer, namespace: namespace.as_fd(), image_base };
    unpack::unpack(&unpacking).map_err(|error| refused("unpack a layer", &error))
}

/// Removes one. One that is not there is removed already.
pub(super) fn remove(ground: &Ground, layer: &DiffId) -> Result<(), Refusal> {
    match unpack::remove(open(ground)?.as_fd(), layer) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(refused("remove a layer", &errno)),
    }
}

fn open(ground: &Ground) -> Result<File, Refusal> {
    File::open(ground.node.layers_dir()).map_err(|error| refused("open the layers", &error))
}
