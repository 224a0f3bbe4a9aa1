//! Whiteouts: entries whose name says that something of a lower layer is gone (OCI image spec, "Layers").

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use std::os::fd::BorrowedFd;

use nix::fcntl::AtFlags;
use nix::sys::stat::{Mode, SFlag, fstatat, mknodat};

pub(super) const PREFIX: &[u8] = b".wh.";
pub(super) const OPAQUE: &[u8] = b".wh..wh..opq";

/// What an entry's name asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asks<'a> {
    /// Nothing: it is a file.
    Nothing,
    /// This name of the same folder is gone.
    Gone(&'a OsStr),
    /// Everything below the folder is hidden.
    Opaque,
    /// A note of aufs, of no interest.
    Note,
}

/// Reads the last part of an entry's path.
pub(crate) fn asks(path: &Path) -> Asks<'_> {
    let Some(name) = path.file_name().map(OsStr::as_bytes) else { return Asks::Nothing };
    match name.strip_prefix(PREFIX) {
        None => Asks::Nothing,
        Some(_) if name == OPAQUE => Asks::Opaque,
        // A name that is not one of a file cannot be hidden.
        Some(b"" | b"." | b"..") => Asks::Note,
        Some(rest) if rest.starts_with(PREFIX) => Asks::Note,
        Some(rest) => Asks::Gone(OsStr::from_bytes(rest)),
    }
}

/// Makes overlay's form of a whiteout, unless this same layer has something there: a whiteout hides lower layers only.
pub(super) fn make(folder: BorrowedFd<'_>, name: &OsStr) -> nix::Result<()> {
    if fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW).is_ok() {
        return Ok(());
    }
    mknodat(folder, name, SFlag::S_IFCHR, Mode::empty(), 0)
}

/// Name of the entry that says that a name is gone.
pub(super) fn entry_name(name: &[u8]) -> Vec<u8> {
    [PREFIX, name].concat()
}

/// Whether this is a whiteout that [`make`] made.
pub(super) fn is_made(status: &nix::sys::stat::FileStat) -> bool {
    status.st_mode & SFlag::S_IFMT.bits() == SFlag::S_IFCHR.bits() && status.st_rdev == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ask_for_what_the_specification_says() {
        let ask = |name| asks(Path::new(name));
        assert_eq!(ask("a/b"), Asks::Nothing);
        assert_eq!(ask("a/.wh.b"), Asks::Gone(OsStr::new("b")));
        assert_eq!(ask("a/.wh..wh..opq"), Asks::Opaque);
        assert_eq!(ask(".wh..wh.plnk"), Asks::Note);
        assert_eq!(ask("a/.wh."), Asks::Note);
        assert_eq!(ask("a/.wh..."), Asks::Note);
    }
}
