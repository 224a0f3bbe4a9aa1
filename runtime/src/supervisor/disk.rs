//! Where an instance's files are: folders of the node's own file system, without a limit of their own.

use std::io;
use std::os::unix::fs::{DirBuilderExt, lchown};
use std::path::{Path, PathBuf};

/// Plain folders.
#[derive(Debug)]
pub(crate) struct Driver;

/// The folders that overlay writes to.
#[derive(Debug)]
pub(crate) struct Attached {
    /// What the instance has written.
    pub(crate) upper: PathBuf,
    /// Overlay's own.
    pub(crate) work: PathBuf,
}

impl Driver {
    /// As in [`super::protocol::Facts::disk`].
    pub(crate) fn name(&self) -> &'static str {
        "none"
    }

    /// Makes an instance's disk in a folder that exists.
    pub(crate) fn create(&self, folder: &Path, owner: u32) -> io::Result<()> {
        for name in ["upper", "work"] {
            let path = folder.join(name);
            std::fs::DirBuilder::new().mode(0o755).create(&path)?;
            lchown(&path, Some(owner), Some(owner))?;
        }
        Ok(())
    }

    /// Makes it usable in the caller's mount namespace.
    pub(crate) fn attach(&self, folder: &Path) -> io::Result<Attached> {
        Ok(Attached { upper: folder.join("upper"), work: folder.join("work") })
    }
}
