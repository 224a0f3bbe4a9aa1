//! The node's short id: the configured one, else the one in the state directory, made at the first start.

use std::path::PathBuf;

use anyhow::Context;

use crate::config::Config;
use crate::id::NodeId;

/// Finds or makes it.
pub(super) fn id(config: &Config) -> anyhow::Result<NodeId> {
    if let Some(id) = &config.node_id {
        return Ok(id.clone());
    }
    let path: PathBuf = config.serve_dir().join("node-id");
    match std::fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().with_context(|| format!("parse `{}`", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let id = NodeId::random()?;
            std::fs::write(&path, format!("{id}\n"))
                .with_context(|| format!("write `{}`", path.display()))?;
            Ok(id)
        }
        Err(error) => Err(error).with_context(|| format!("read `{}`", path.display())),
    }
}
