//! Where an archive is written to.

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write, stdout};
use std::path::Path;

use anyhow::{Context, Result, bail};

/// The file, made new, or standard output. To be opened before the user changes.
///
/// # Errors
/// When it cannot be made, or is a terminal.
pub(super) fn open(path: Option<&Path>) -> Result<BufWriter<Box<dyn Write>>> {
    const BUFFER_BYTES: usize = 256 * 1024;
    let out: Box<dyn Write> = match path {
        Some(path) => Box::new(File::create(path).with_context(|| format!("create `{}`", path.display()))?),
        None if stdout().is_terminal() => bail!("an archive is not for a terminal: use -o FILE, or a pipe"),
        None => Box::new(stdout()),
    };
    Ok(BufWriter::with_capacity(BUFFER_BYTES, out))
}
