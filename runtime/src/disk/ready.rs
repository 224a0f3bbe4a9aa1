//! Disks made ahead, for whichever instance comes next: attached to a device and mounted in no place.
//!
//! ```text
//! <node>/ready/<number>.img      the image, until an instance takes it by renaming
//! ```
//!
//! Mounting is what takes the time of a disk; a ready one is put in place in a sixth to a tenth of it.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::sys::stat::{Mode, mkdirat};

use super::driver::{Attached, Driver, Kind};
use super::{Error, image, room, template};

/// A disk that nobody has. Dropped once an instance has taken it: the descriptor holds the file system.
#[derive(Debug)]
pub struct Ready {
    bytes: u64,
    number: u32,
    image: PathBuf,
    mount: OwnedFd,
}

impl Ready {
    /// Its size.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Its number.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Its mount alone, for the process that puts it in place.
    pub fn into_mount(self) -> OwnedFd {
        self.mount
    }

    /// The mount in no place.
    pub fn mount(&self) -> BorrowedFd<'_> {
        self.mount.as_fd()
    }
}

impl Driver {
    /// Makes the disk of this number, which no other ready disk has, in a worker: its mount goes to the supervisor as a
    /// descriptor. `None` where the driver has nothing to make ahead.
    ///
    /// # Errors
    /// When the node's disk is nearly full, or the system refuses.
    pub fn prepare(&self, bytes: u64, number: u32) -> Result<Option<OwnedFd>, Error> {
        if self.kind() != Kind::Ext4Image {
            return Ok(None);
        }
        room::require(self.node())?;
        let image = self.ready_image(number);
        let folder = self.ready_folder();
        fs::create_dir_all(&folder).map_err(Error::io("create", folder.display()))?;
        template::copy(&template::open(self.node(), bytes)?, &image)?;
        let mount = image::mount_new(&image)?;
        // So that the blocks for it are in memory already; the owner comes later.
        for folder in ["upper", "work"] {
            mkdirat(&mount, folder, Mode::from_bits_truncate(0o755))
                .map_err(Error::io("fill", image.display()))?;
        }
        Ok(Some(mount))
    }

    /// The disk that [`Driver::prepare`] made, in the process that keeps it.
    pub fn ready(&self, bytes: u64, number: u32, mount: OwnedFd) -> Ready {
        Ready { bytes, number, image: self.ready_image(number), mount }
    }

    /// In place of [`Driver::create`]: makes a disk that was made ahead the instance's.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn take(&self, ready: &Ready, folder: &Path, owner: u32) -> Result<(), Error> {
        self.make_place(folder, owner)?;
        image::take(&ready.image, folder)
    }

    /// In place of the first [`Driver::attach`] of a disk that was taken.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn attach_ready(&self, ready: &Ready, folder: &Path, owner: u32) -> Result<Attached, Error> {
        let disk = self.make_place(folder, owner)?;
        image::attach_ready(ready.mount(), folder, &disk)?;
        self.fill(&disk, owner)
    }

    /// Removes the image of a disk that nobody will take.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn discard(&self, ready: Ready) -> Result<(), Error> {
        match fs::remove_file(&ready.image) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(Error::io("remove", ready.image.display())),
        }
    }

    /// Removes what is ready: at the start of the supervisor, whose descriptors of it are gone.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn remove_ready(&self) -> Result<(), Error> {
        let folder = self.ready_folder();
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(Error::io("remove", folder.display())),
        }
    }

    fn ready_folder(&self) -> PathBuf {
        self.node().join("ready")
    }

    fn ready_image(&self, number: u32) -> PathBuf {
        self.ready_folder().join(format!("{number}.img"))
    }
}
