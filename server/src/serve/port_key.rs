//! The key that tokens of ports are derived from: 32 random bytes in serve's own folder, made at the first start.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;

use crate::auth::port_token::PortKey;
use crate::config::Config;

/// Finds or makes it. A key that is lost changes every link to a port, and nothing else.
pub(super) fn load(config: &Config) -> anyhow::Result<PortKey> {
    let path = config.serve_dir().join("port-key");
    match File::open(&path) {
        Ok(mut file) => {
            let mut key = [0; 32];
            file.read_exact(&mut key).with_context(|| format!("read `{}`", path.display()))?;
            Ok(PortKey::new(key))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => make(&path),
        Err(error) => Err(error).with_context(|| format!("open `{}`", path.display())),
    }
}

/// Written whole under another name first: a key that was cut short would be no secret.
fn make(path: &Path) -> anyhow::Result<PortKey> {
    let mut key = [0; 32];
    getrandom::fill(&mut key)?;
    let part = path.with_extension("part");
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    file.write_all(&key)?;
    file.sync_all()?;
    std::fs::rename(&part, path).with_context(|| format!("write `{}`", path.display()))?;
    Ok(PortKey::new(key))
}
