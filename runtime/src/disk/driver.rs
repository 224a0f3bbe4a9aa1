//! The ways to limit an instance's files, behind one type.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, lchown};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use nix::mount::{MsFlags, mount};

use super::{Error, backing, image, probe, project, room};
use crate::cgroup::DeviceNumber;

/// What the operator asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// The first that works: project quota, ext4 image, none.
    Auto,
    /// This driver or none at all.
    Only(Kind),
}

impl FromStr for Wish {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let kinds = [Kind::ProjectQuota, Kind::Ext4Image, Kind::Tmpfs, Kind::None];
        match kinds.into_iter().find(|kind| kind.name() == text) {
            Some(kind) => Ok(Self::Only(kind)),
            None if text == "auto" => Ok(Self::Auto),
            None => Err(Error::UnknownDriver(text.to_owned())),
        }
    }
}

/// How the limit is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The node's file system counts a project for each instance. Sound because owners of user namespaces cannot
    /// change a file's project.
    ProjectQuota,
    /// A file system of its own in a sparse file.
    Ext4Image,
    /// Memory; it is lost at a reboot of the instance and counts as its memory.
    Tmpfs,
    /// Not at all.
    None,
}

impl Kind {
    /// As in [`crate::supervisor::protocol::Facts::disk`].
    pub fn name(self) -> &'static str {
        match self {
            Self::ProjectQuota => "project-quota",
            Self::Ext4Image => "ext4-image",
            Self::Tmpfs => "tmpfs",
            Self::None => "none",
        }
    }
}

/// A driver that was tried on this node.
#[derive(Debug, Clone)]
pub struct Driver {
    kind: Kind,
    /// The node's folder: root's, on the file system that all disks are on.
    node: PathBuf,
    degraded: Option<String>,
}

/// The folders that overlay writes to, both owned by the session's root and on one file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// What the instance has written.
    pub upper: PathBuf,
    /// Overlay's own.
    pub work: PathBuf,
}

/// The mount point, or with plain folders the folder itself.
const DISK: &str = "disk";
const TMPFS: &str = "tmpfs";

impl Driver {
    /// Chooses a driver by trying it in a child process: a disk of a few megabytes is filled. `node` is the node's
    /// folder. To be called by a single-threaded process, as root.
    ///
    /// # Errors
    /// When the wished one does not work.
    pub fn probe(node: &Path, wish: Wish) -> Result<Self, Error> {
        let of = |kind| Self { kind, node: node.to_owned(), degraded: None };
        if let Wish::Only(kind) = wish {
            let driver = of(kind).with_sentence(None);
            return probe::probe(&driver).map(|()| driver);
        }
        let mut failure = None;
        for driver in [of(Kind::ProjectQuota), of(Kind::Ext4Image)] {
            match probe::probe(&driver) {
                Ok(()) => return Ok(driver),
                Err(error) => failure = Some(error),
            }
        }
        Ok(of(Kind::None).with_sentence(failure))
    }

    fn with_sentence(mut self, failure: Option<Error>) -> Self {
        if self.kind == Kind::None {
            let why = failure.map(|error| format!(" ({error})")).unwrap_or_default();
            self.degraded = Some(format!("the files of instances are not limited{why}"));
        }
        self
    }

    /// The node's folder.
    pub(super) fn node(&self) -> &Path {
        &self.node
    }

    /// How the limit is kept.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether a disk's files can be looked at by whoever attaches it once more.
    pub fn keeps_files(&self) -> bool {
        self.kind != Kind::Tmpfs
    }

    /// As in [`crate::supervisor::protocol::Facts::disk`].
    pub fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// What this node cannot do with it, as a sentence.
    pub fn degraded(&self) -> Option<&str> {
        self.degraded.as_deref()
    }

    /// The disk that everything written ends up on, for io limits. None for file systems without one disk below.
    pub fn device(&self) -> Option<DeviceNumber> {
        backing::device_below(&self.node)
    }

    /// Makes an instance's disk of so many bytes in its folder, which exists and is root's. `owner` is the host id of
    /// the session's root. One that exists is kept.
    ///
    /// # Errors
    /// When the node's disk is nearly full, or the system refuses.
    pub fn create(&self, folder: &Path, bytes: u64, owner: u32) -> Result<(), Error> {
        room::require(&self.node)?;
        let disk = self.make_place(folder, owner)?;
        match self.kind {
            Kind::Ext4Image => image::create(&self.node, folder, bytes),
            Kind::Tmpfs => write_options(folder, bytes),
            Kind::ProjectQuota => project::limit(&disk, owner, bytes),
            Kind::None => Ok(()),
        }
    }

    /// Makes a disk usable in the caller's mount namespace, which must be a private one. It is taken by what it is,
    /// also when another driver made it.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn attach(&self, folder: &Path) -> Result<Attached, Error> {
        let disk = folder.join(DISK);
        let owner = fs::symlink_metadata(&disk).map_err(Error::io("look at", disk.display()))?.uid();
        if image::is_there(folder) {
            image::mount_on(folder, &disk)?;
        } else if let Ok(options) = fs::read_to_string(folder.join(TMPFS)) {
            mount(Some("sandlot"), &disk, Some("tmpfs"), MsFlags::MS_NODEV, Some(options.as_str()))
                .map_err(Error::io("mount a tmpfs on", disk.display()))?;
        }
        self.fill(&disk, owner)
    }

    /// Makes the mount point. Its owner tells [`Driver::attach`] whose disk it is.
    pub(super) fn make_place(&self, folder: &Path, owner: u32) -> Result<PathBuf, Error> {
        let disk = folder.join(DISK);
        make_folder(&disk, owner)?;
        Ok(disk)
    }

    /// Makes the folders of a mounted disk, which from now on tells its owner as its place does.
    pub(super) fn fill(&self, disk: &Path, owner: u32) -> Result<Attached, Error> {
        make_folder(disk, owner)?;
        let attached = Attached { upper: disk.join("upper"), work: disk.join("work") };
        make_folder(&attached.upper, owner)?;
        make_folder(&attached.work, owner)?;
        Ok(attached)
    }

    /// Gives back what a disk holds besides its files, which the caller removes with the instance's folder.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn release(&self, folder: &Path) -> Result<(), Error> {
        match (self.kind, fs::symlink_metadata(folder.join(DISK))) {
            (Kind::ProjectQuota, Ok(disk)) => project::forget(folder, disk.uid()),
            _ => Ok(()),
        }
    }
}

fn make_folder(path: &Path, owner: u32) -> Result<(), Error> {
    match DirBuilder::new().mode(0o755).create(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        other => other.map_err(Error::io("create", path.display()))?,
    }
    lchown(path, Some(owner), Some(owner)).map_err(Error::io("give away", path.display()))
}

fn write_options(folder: &Path, bytes: u64) -> Result<(), Error> {
    let options = format!("size={bytes},nr_inodes={},mode=0755", room::inodes(bytes));
    fs::write(folder.join(TMPFS), options).map_err(Error::io("write", folder.join(TMPFS).display()))
}
