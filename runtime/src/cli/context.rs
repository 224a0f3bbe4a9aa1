//! What the flags before the command say.

use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use super::arguments::Parsed;
use super::log::Log;
use crate::oci::{CgroupOptions, Error, Record, Root};

/// What every command works with.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) root: Root,
    pub(super) log: Log,
    pub(super) cgroup: CgroupOptions,
}

impl Context {
    pub(super) fn new(global: &Parsed) -> Result<Self, Error> {
        let root = global.filled("root").map_or_else(default_root, PathBuf::from);
        let log = Log::open(global)?;
        let rootless = match global.text("rootless").unwrap_or("auto").to_ascii_lowercase().as_str() {
            "true" | "1" | "t" => Some(true),
            "false" | "0" | "f" => Some(false),
            "" | "auto" => None,
            other => return Err(Error::said(format!("--rootless is true, false or auto, not {other:?}"))),
        };
        let cgroup = CgroupOptions { systemd: global.has("systemd-cgroup"), rootless };
        Ok(Self { root: Root::new(&root)?, log, cgroup })
    }

    /// The container that the first argument names.
    pub(super) fn container(&self, given: &Parsed) -> Result<Record, Error> {
        self.root.open(given.id())
    }
}

/// An ordinary user's containers are kept with what else belongs to a login.
fn default_root() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(folder) if !geteuid().is_root() && !folder.is_empty() => Path::new(&folder).join("sandlot-oci"),
        _ => PathBuf::from("/run/sandlot-oci"),
    }
}
