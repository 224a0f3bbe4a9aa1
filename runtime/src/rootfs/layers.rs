//! The overlay of an instance: unpacked layers below, its own writable folder on top.
//!
//! ```text
//! <layers folder>/<digest>   on disk, owned by the image range
//!        | bind mount with an id map: image range -> session range, nodev
//! scratch/l/<digest>   scratch/0 -> l/<digest of the lowest layer>, scratch/1 -> ...
//!        | overlay, whose options name layers by these short links, so that 127 fit into a page
//! scratch/m            the root of the instance
//! ```
//!
//! The scratch is a tmpfs that is mounted over a folder of the caller's private mount namespace; everything here
//! goes with that namespace. The bind must be attached: Linux 6.1 refuses a detached one below an overlay.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount as mount_filesystem};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{fchdir, symlinkat};

use crate::failure::{Failure, StepError, during};
use crate::supervisor::name::DiffId;
use crate::sys::capability::{self, Sets};
use crate::sys::mount::{
    MOUNT_ATTR_IDMAP, MOUNT_ATTR_NODEV, MOUNT_ATTR_RDONLY, attach, open_tree, set_attributes,
};

/// A folder of the scratch that stays empty, for a root without layers.
const EMPTY: &str = "e";
const STEP: &str = "mount the layers";

/// What an instance's root is made of.
#[derive(Debug, Clone, Copy)]
pub struct Layers<'a> {
    /// The folder that holds every unpacked layer under its digest.
    pub folder: BorrowedFd<'a>,
    /// From the lowest to the highest; with none the root is empty.
    pub layers: &'a [DiffId],
    /// A user namespace that maps the image range's ids to the session's.
    pub idmap: BorrowedFd<'a>,
    /// Where the instance writes; owned by the session's root.
    pub upper: &'a Path,
    /// Working folder of overlay, empty, on the same file system as `upper`.
    pub work: &'a Path,
    /// Any folder; in this mount namespace a tmpfs is put over it.
    pub scratch: &'a Path,
}

/// Mounts the overlay in this process's mount namespace, which must be a private one, and returns its root.
/// The working directory is changed.
///
/// # Errors
/// With what the kernel refused.
pub fn mount(layers: &Layers<'_>) -> Result<OwnedFd, StepError> {
    mount_overlay(layers).map_err(|failure| StepError::new(STEP, failure))
}

fn mount_overlay(layers: &Layers<'_>) -> Result<OwnedFd, Failure> {
    let upper = open_folder(layers.upper)?;
    let work = open_folder(layers.work)?;
    let scratch = make_scratch(layers.scratch)?;
    make_places(scratch.as_fd(), layers, [&upper, &work]).map_err(during("prepare the scratch folder"))?;
    attach_layers(scratch.as_fd(), layers)?;
    fchdir(&scratch).map_err(during("enter the scratch folder"))?;
    let options = options(layers.layers.len());
    mount_bound(&options).map_err(during(format!("mount overlay over {} layers", layers.layers.len())))?;
    open_folder(Path::new("m"))
}

/// Overlay makes all its writes with the capabilities of who mounted it. Without CAP_SYS_RESOURCE they are bound by
/// project quotas and by what a file system reserves for root.
fn mount_bound(options: &str) -> Result<(), Errno> {
    const CAP_SYS_RESOURCE: u64 = 1 << 24;
    let before = capability::get()?;
    capability::set(Sets { effective: before.effective & !CAP_SYS_RESOURCE, ..before })?;
    let mounted = mount_filesystem(Some("sandlot"), "m", Some("overlay"), MsFlags::MS_NODEV, Some(options));
    capability::set(before)?;
    mounted
}

fn open_folder(path: &Path) -> Result<OwnedFd, Failure> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    open(path, flags, Mode::empty()).map_err(during(format!("open folder `{}`", path.display())))
}

fn make_scratch(at: &Path) -> Result<OwnedFd, Failure> {
    let options = Some("size=1m,nr_inodes=1k,mode=700");
    let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount_filesystem(Some("sandlot"), at, Some("tmpfs"), flags, options)
        .map_err(during(format!("mount a scratch folder at `{}`", at.display())))?;
    open_folder(at)
}

fn make_places(
    scratch: BorrowedFd<'_>,
    layers: &Layers<'_>,
    [upper, work]: [&OwnedFd; 2],
) -> Result<(), Errno> {
    for folder in ["l", "m", EMPTY] {
        mkdirat(scratch, folder, Mode::from_bits_truncate(0o755))?;
    }
    // By descriptor, since the scratch may hide the path of either.
    for (name, folder) in [("u", upper), ("w", work)] {
        symlinkat(format!("/proc/self/fd/{}", folder.as_raw_fd()).as_str(), scratch, name)?;
    }
    for (number, layer) in layers.layers.iter().enumerate() {
        symlinkat(format!("l/{}", layer.as_hex()).as_str(), scratch, number.to_string().as_str())?;
    }
    Ok(())
}

fn attach_layers(scratch: BorrowedFd<'_>, layers: &Layers<'_>) -> Result<(), Failure> {
    let bind = open_tree(layers.folder, c"").map_err(during("bind the layers folder"))?;
    let attributes = MOUNT_ATTR_IDMAP | MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY;
    set_attributes(bind.as_fd(), attributes, Some(layers.idmap))
        .map_err(during("map the owners of the layers"))?;
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let place =
        nix::fcntl::openat(scratch, "l", flags, Mode::empty()).map_err(during("open the layers' place"))?;
    attach(bind.as_fd(), place.as_fd()).map_err(during("attach the layers folder"))
}

/// Overlay names its highest layer first.
fn options(count: usize) -> String {
    let mut names: Vec<String> = (0..count).rev().map(|number| number.to_string()).collect();
    if names.is_empty() {
        names.push(EMPTY.to_owned());
    }
    format!("lowerdir={},upperdir=u,workdir=w,redirect_dir=off,index=off,metacopy=off", names.join(":"))
}
