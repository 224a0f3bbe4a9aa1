//! Where images and sessions' files are: overlay with mapped owners, limits, and room.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::lchown;
use std::path::{Path, PathBuf};

use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{Mode, fstatat};
use nix::sys::statvfs::statvfs;

use super::{Check, Node, trial};
use crate::container::userns;
use crate::disk::Driver;
use crate::rootfs::layers;
use crate::supervisor::name::DiffId;
use crate::supervisor::node::IDS_PER_SESSION;
use crate::tree;

const MEBIBYTE: u64 = 1 << 20;
/// What an idle session writes, and what the node and its images take.
const BYTES_PER_SESSION: u64 = 4 * MEBIBYTE;
const BYTES_OF_IMAGES: u64 = 2048 * MEBIBYTE;

pub(super) fn check(node: &Node) -> Vec<Check> {
    let place = existing(&node.state_dir);
    let folder = place.join(format!(".sandlot-doctor-{}", std::process::id()));
    let mut checks = match fs::create_dir(&folder) {
        Ok(()) => vec![overlay(node, &folder), limits(node, &folder)],
        Err(error) => vec![Check::fail(
            "state directory",
            format!("create a folder in `{}`: {error}", place.display()),
            "choose a --state-dir on a disk that root can write to",
        )],
    };
    if let Ok(parent) = File::open(&place) {
        // Nothing was made, or what is left is told by its name.
        tree::remove(parent.as_fd(), folder.file_name().unwrap_or_default()).ok();
    }
    checks.push(room(node, &place));
    checks
}

/// The state directory, or what there is of the way to it.
fn existing(state_dir: &Path) -> PathBuf {
    state_dir.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/")).to_owned()
}

fn overlay(node: &Node, folder: &Path) -> Check {
    match trial::attempt(|| mount_layers(node, &folder.join("overlay"))) {
        Ok(()) => Check::ok("overlay", "overlay works over layers with mapped owners"),
        Err(sentence) => Check::fail(
            "overlay",
            sentence,
            "the state directory must be on ext4, xfs or btrfs, and the kernel needs CONFIG_OVERLAY_FS",
        ),
    }
}

/// Mounts what an instance would see and looks at an owner.
fn mount_layers(node: &Node, folder: &Path) -> Result<(), String> {
    let io = |error: std::io::Error| format!("prepare a layer: {error}");
    let layer = DiffId::try_from("0".repeat(64)).map_err(|error| error.to_string())?;
    let owned = folder.join("layers").join(layer.as_hex()).join("owned");
    for name in ["upper", "work", "scratch"] {
        fs::create_dir_all(folder.join(name)).map_err(io)?;
    }
    fs::create_dir_all(&owned).map_err(io)?;
    lchown(&owned, Some(node.uid_base + 7), Some(node.uid_base)).map_err(io)?;
    let first = node.uid_base.wrapping_add(IDS_PER_SESSION);
    let idmap = userns::create_idmap(node.uid_base, first, IDS_PER_SESSION).map_err(|e| e.to_string())?;
    let layers_folder = File::open(folder.join("layers")).map_err(io)?;
    let root = layers::mount(&layers::Layers {
        folder: layers_folder.as_fd(),
        layers: &[layer],
        idmap: idmap.as_fd(),
        upper: &folder.join("upper"),
        work: &folder.join("work"),
        scratch: &folder.join("scratch"),
    });
    let root = root.map_err(|error| error.to_string())?;
    let seen =
        fstatat(&root, "owned", AtFlags::AT_SYMLINK_NOFOLLOW).map_err(|e| format!("look at a file: {e}"))?;
    if seen.st_uid != first + 7 {
        return Err(format!(
            "the owner {} shows as {}, not as {}",
            node.uid_base + 7,
            seen.st_uid,
            first + 7
        ));
    }
    write_in(&root).map_err(|errno| format!("write into an overlay: {errno}"))
}

fn write_in(root: &impl AsFd) -> nix::Result<()> {
    let flags = OFlag::O_CREAT | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    nix::fcntl::openat(root, "owned/new", flags, Mode::from_bits_truncate(0o600)).map(drop)
}

fn limits(node: &Node, folder: &Path) -> Check {
    let advice = "install e2fsprogs and allow loop devices, or mount the state directory with prjquota";
    match Driver::probe(folder, node.disk) {
        Ok(driver) => match driver.degraded() {
            None => Check::ok("disk limits", format!("by {}, tried", driver.name())),
            Some(sentence) => Check::warn("disk limits", sentence, advice),
        },
        Err(error) => {
            Check::fail("disk limits", error.to_string(), format!("{advice}, or choose `--disk auto`"))
        }
    }
}

fn room(node: &Node, place: &Path) -> Check {
    let free = statvfs(place).map(|disk| disk.blocks_available() * disk.fragment_size()).unwrap_or(0);
    let wanted = BYTES_OF_IMAGES + u64::from(node.sessions) * BYTES_PER_SESSION;
    let finding = format!("{} MiB free at `{}`", free / MEBIBYTE, place.display());
    if free >= wanted {
        return Check::ok("disk room", finding);
    }
    let advice = format!("{} sessions want {} MiB free at least", node.sessions, wanted / MEBIBYTE);
    Check::warn("disk room", finding, advice)
}
