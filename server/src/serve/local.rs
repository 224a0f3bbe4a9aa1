//! Preparation of `--backend local`: folders and a listener of the user who starts serve.

use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt;

use anyhow::Context;

use super::{Prepared, certificate};
use crate::config::Config;

/// Makes the folders and listens.
///
/// # Errors
/// When one of them cannot be made.
pub fn prepare(config: &Config) -> anyhow::Result<Prepared> {
    let tls = certificate::first(config)?;
    let folder = config.serve_dir();
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .with_context(|| format!("make `{}` (choose another with --state-dir)", folder.display()))?;
    let listener =
        TcpListener::bind(config.listen).with_context(|| format!("listen on {}", config.listen))?;
    listener.set_nonblocking(true)?;
    Ok(Prepared { listener, children: Vec::new(), tls })
}
