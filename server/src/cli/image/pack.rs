//! `sandlot image pack`: a folder as a tar on standard output.
//!
//! Not for people: commands that drop to serve's uid start it first, as who called them, so that it reads what only the
//! caller may read.

use std::fs::File;
use std::io::{BufWriter, Write, stdout};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::arguments::Pack;

/// Writes the tar.
///
/// # Errors
/// When something cannot be read, or nobody reads the tar any more.
pub(super) fn run(what: &Pack) -> Result<()> {
    let mut tar = tar::Builder::new(BufWriter::new(stdout()));
    tar.follow_symlinks(false);
    // Readers of a context look files up by their place.
    tar.sparse(false);
    tar.append_dir_all("", &what.folder).with_context(|| format!("read `{}`", what.folder.display()))?;
    Ok(tar.into_inner()?.flush()?)
}

/// A pipe that gives the tar of a folder.
///
/// # Errors
/// When this program cannot be started again.
#[expect(clippy::disallowed_methods, reason = "a command has no threads yet when it opens its input")]
pub(super) fn stream(folder: &Path) -> Result<File> {
    let child = Command::new(std::env::current_exe()?)
        .args(["image", "pack"])
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("read `{}`", folder.display()))?;
    // It ends with the pipe; init reaps it if this process ends first.
    let pipe = child.stdout.context("read the folder: no pipe")?;
    Ok(std::os::fd::OwnedFd::from(pipe).into())
}
