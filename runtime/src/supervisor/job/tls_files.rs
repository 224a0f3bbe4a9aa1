//! The files of the site's TLS, opened for a serve that may not read them itself.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::OFlag;

use super::refused;
use crate::supervisor::node::TlsFiles;
use crate::supervisor::protocol::Refusal;
use crate::supervisor::worker::{Report, Reporter};

/// Opens both for reading and hands them over.
pub(super) fn open(files: &TlsFiles, reporter: &Reporter) -> Result<(), Refusal> {
    let certificate = open_one(&files.certificate)?;
    let key = open_one(&files.key)?;
    let sent = reporter.send(&Report::Opened, &[certificate.as_fd(), key.as_fd()]);
    sent.map_err(|error| refused("hand the TLS files over", &error))
}

/// Links are followed: programs that renew certificates put the newest behind one.
fn open_one(path: &Path) -> Result<File, Refusal> {
    // A pipe or device in its place must neither hold this up nor be handed over.
    let flags = (OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).bits();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let regular = opened.and_then(|file| match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is no regular file")),
    });
    regular.map_err(|error| refused("open a TLS file", &format!("`{}`: {error}", path.display())))
}
