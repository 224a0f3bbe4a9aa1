//! The node's folders and who owns them.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use nix::unistd::{Gid, Uid, chown};

use crate::config::Config;

/// Makes those that are missing. The state directory may be passed through by all; what is in it is root's alone, and
/// serve's alone.
pub(crate) fn make(config: &Config) -> Result<()> {
    folder(&config.state_dir, 0o711)?;
    let_pass(&config.state_dir)?;
    folder(&config.state_dir.join("node"), 0o700)?;
    folder(&config.run_dir, 0o755)?;
    let serve = config.serve_dir();
    folder(&serve, 0o700)?;
    let owner = fs::metadata(&serve)?.uid();
    let uid = config.serve_uid();
    ensure!(
        owner == 0 || owner == uid,
        "`{}` belongs to uid {owner}, not {uid}: start with the --uid-base of before ({}), or move the folder away",
        serve.display(),
        owner + 1
    );
    chown(&serve, Some(Uid::from_raw(uid)), Some(Gid::from_raw(uid)))
        .with_context(|| format!("own `{}`", serve.display()))
}

fn folder(path: &Path, mode: u32) -> Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(mode).create(path);
    made.with_context(|| format!("make `{}`", path.display()))
}

/// A state directory that the operator made for root alone must still lead serve to its own folder.
fn let_pass(path: &Path) -> Result<()> {
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o011 == 0o011 {
        return Ok(());
    }
    let passable = fs::Permissions::from_mode(mode | 0o011);
    fs::set_permissions(path, passable).with_context(|| format!("open `{}` for passing", path.display()))
}
