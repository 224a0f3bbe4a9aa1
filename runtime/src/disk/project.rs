//! Limits by project quota. The project number is the host id of the session's root plus the instance's index, which is unique
//! on the node.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use super::{Error, room};
use crate::sys::quota;

/// Limits a folder, which is empty yet.
pub(super) fn limit(folder: &Path, owner: u32, bytes: u64) -> Result<(), Error> {
    let project = number(folder.parent(), owner);
    let file = File::open(folder).map_err(Error::io("open", folder.display()))?;
    quota::set_project(file.as_fd(), project).map_err(Error::io("set the project of", folder.display()))?;
    quota::limit_project(file.as_fd(), project, bytes, room::inodes(bytes))
        .map_err(Error::io("limit the project of", folder.display()))
}

/// Takes the limit away. The files that it counted may go before or after.
pub(super) fn forget(folder: &Path, owner: u32) -> Result<(), Error> {
    let file = File::open(folder).map_err(Error::io("open", folder.display()))?;
    quota::limit_project(file.as_fd(), number(Some(folder), owner), 0, 0)
        .map_err(Error::io("forget the project of", folder.display()))
}

/// The instance's folder is named by its index.
fn number(instance: Option<&Path>, owner: u32) -> u32 {
    let name = instance.and_then(Path::file_name).and_then(|name| name.to_str());
    owner + name.and_then(|name| name.parse::<u32>().ok()).unwrap_or(0) % 16
}
