//! Disks that are a file system in a sparse file.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::libc::O_DIRECT;
use nix::sys::stat::Mode;

use super::{Error, template};
use crate::sys::loop_device::{self, Caching};
use crate::sys::mount::{
    MOUNT_ATTR_NOATIME, MOUNT_ATTR_NODEV, attach, fsconfig_create, fsconfig_flag, fsconfig_string, fsmount,
    fsopen,
};

const IMAGE: &str = "disk.img";
/// Says that the image was attached before, and may still be.
const USED: &str = "disk.used";
const BLOCK_BYTES: u32 = 4096;
/// Tries to get a free device while other workers do the same.
const TRIES: u32 = 200;

/// Whether the folder's disk is of this kind.
pub(super) fn is_there(folder: &Path) -> bool {
    folder.join(IMAGE).exists()
}

/// Makes the image.
pub(super) fn create(node: &Path, folder: &Path, bytes: u64) -> Result<(), Error> {
    if is_there(folder) {
        return Ok(());
    }
    let new = folder.join("disk.new");
    template::copy(&template::open(node, bytes)?, &new)?;
    take(&new, folder)
}

/// Makes a file the folder's image.
pub(super) fn take(image: &Path, folder: &Path) -> Result<(), Error> {
    fs::rename(image, folder.join(IMAGE)).map_err(Error::io("rename", image.display()))
}

/// Mounts the image.
pub(super) fn mount_on(folder: &Path, target: &Path) -> Result<(), Error> {
    let mount = detached(&device_for(folder)?)?;
    attach_at(mount.as_fd(), target)
}

/// Puts a detached mount in its place and remembers that the image is in use.
pub(super) fn attach_ready(mount: BorrowedFd<'_>, folder: &Path, target: &Path) -> Result<(), Error> {
    let used = folder.join(USED);
    File::create(&used).map_err(Error::io("create", used.display()))?;
    attach_at(mount, target)
}

fn attach_at(mount: BorrowedFd<'_>, target: &Path) -> Result<(), Error> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let place = open(target, flags, Mode::empty()).map_err(Error::io("open", target.display()))?;
    attach(mount, place.as_fd()).map_err(Error::io("mount the image on", target.display()))
}

/// A mount of a new image that is in no place yet.
pub(super) fn mount_new(image: &Path) -> Result<OwnedFd, Error> {
    detached(&new_device(image)?)
}

/// What is deleted inside is given back to the node; tables that a sparse file holds as zeros are not written again.
fn detached(device: &Device) -> Result<OwnedFd, Error> {
    let path = format!("/dev/loop{}", device.number);
    let source = CString::new(path.as_str()).unwrap_or_default();
    let mounted = fsopen(c"ext4").and_then(|context| {
        fsconfig_string(context.as_fd(), c"source", &source)?;
        fsconfig_string(context.as_fd(), c"errors", c"remount-ro")?;
        fsconfig_flag(context.as_fd(), c"discard")?;
        fsconfig_flag(context.as_fd(), c"noinit_itable")?;
        fsconfig_create(context.as_fd())?;
        fsmount(context.as_fd(), MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME)
    });
    mounted.map_err(Error::io("mount the ext4 image of", path))
}

/// A device that stands for the image. It is free again once this is closed and the last mount is gone.
struct Device {
    number: u32,
    _open: File,
}

/// After a reboot of the instance the kernel may not have let go of the last mount: two devices for one image would
/// ruin it, two mounts of one device are one file system.
fn device_for(folder: &Path) -> Result<Device, Error> {
    let path = folder.join(IMAGE);
    let used = folder.join(USED);
    if used.exists() {
        if let Some(device) = find_attached(&path)? {
            return Ok(device);
        }
    } else {
        File::create(&used).map_err(Error::io("create", used.display()))?;
    }
    new_device(&path)
}

fn new_device(path: &Path) -> Result<Device, Error> {
    let (file, caching) = open_image(path)?;
    let control = File::options().read(true).write(true).open("/dev/loop-control");
    let control = control.map_err(Error::io("open", "/dev/loop-control"))?;
    for _ in 0..TRIES {
        if let Some(device) = try_attach(&control, &file, caching)? {
            return Ok(device);
        }
    }
    Err(Error::io("find a free loop device for", path.display())(Errno::EBUSY))
}

/// `None` when another worker was faster.
fn try_attach(control: &File, file: &File, caching: Caching) -> Result<Option<Device>, Error> {
    let number = loop_device::find_free(control)
        .map_err(Error::io("find a free loop device by", "/dev/loop-control"))?;
    let path = format!("/dev/loop{number}");
    let device = match File::options().read(true).write(true).open(&path) {
        // Taken back between the two calls.
        Err(error) if error.raw_os_error() == Some(Errno::ENXIO as i32) => return Ok(None),
        other => other.map_err(Error::io("open", &path))?,
    };
    match loop_device::configure(&device, file.as_fd(), BLOCK_BYTES, caching) {
        Ok(()) => Ok(Some(Device { number, _open: device })),
        Err(Errno::EBUSY) => Ok(None),
        Err(errno) => Err(Error::io("set up", path)(errno)),
    }
}

/// Past the page cache where the node's file system can: else all data would be held twice.
fn open_image(path: &Path) -> Result<(File, Caching), Error> {
    let open = |flags| File::options().read(true).write(true).custom_flags(flags).open(path);
    match open(O_DIRECT) {
        Ok(file) => Ok((file, Caching::Direct)),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            let file = open(0).map_err(Error::io("open", path.display()))?;
            Ok((file, Caching::Buffered))
        }
        Err(error) => Err(Error::io("open", path.display())(error)),
    }
}

/// The device that stands for this image now.
fn find_attached(image: &Path) -> Result<Option<Device>, Error> {
    let wanted = fs::metadata(image).map_err(Error::io("look at", image.display()))?;
    let devices = fs::read_dir("/sys/block").map_err(Error::io("list", "/sys/block"))?;
    for entry in devices.flatten() {
        let name = entry.file_name();
        let Some(number) = name.to_str().and_then(|name| name.strip_prefix("loop")?.parse().ok()) else {
            continue;
        };
        if !entry.path().join("loop").exists() {
            continue;
        }
        // Held open, it cannot be let go any more; then it is looked at.
        let Ok(device) = File::options().read(true).write(true).open(format!("/dev/loop{number}")) else {
            continue;
        };
        if loop_device::backing_file(&device).is_ok_and(|file| file == (wanted.dev(), wanted.ino())) {
            return Ok(Some(Device { number, _open: device }));
        }
    }
    Ok(None)
}
