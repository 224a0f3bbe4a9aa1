//! Where the images of a node are, opened as who they belong to.
//!
//! Run by root, a command drops to serve's uid before it touches what serve owns: so no file ends up with another owner,
//! and nothing that serve may have planted is followed with root's power. Files that the caller names are opened before.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::unistd::{Gid, Uid, geteuid, setgroups, setresgid, setresuid};
use sandlot_runtime::image::Store;
use sandlot_runtime::supervisor::client::{Client, ClientError};
use sandlot_runtime::supervisor::node::NodeFile;
use sandlot_runtime::supervisor::protocol::RefusalKind;

use super::pack;
use crate::config::Config;
use crate::image::store_dir;
use crate::serve::container::folders;

/// How often a supervisor is greeted that does not answer, and the time between.
const GREETINGS: u32 = 100;
const LOOK: Duration = Duration::from_millis(10);
/// A large image takes minutes to unpack on a slow disk.
pub(super) const UNPACK_TIMEOUT: Duration = Duration::from_secs(1800);

/// The store, and the supervisor where a node runs.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) store: Store,
    pub(super) supervisor: Option<Client>,
}

impl Place {
    /// Becomes serve's user for good, and opens both.
    ///
    /// # Errors
    /// When the store cannot be opened by this user, or the supervisor does not answer.
    pub(super) fn open(config: &Config) -> Result<Self> {
        become_serve(config)?;
        let folder = store_dir(&config.state_dir);
        let store = Store::open(&folder).with_context(|| {
            let hint =
                if geteuid().is_root() { "" } else { " (images belong to the node: run this as root)" };
            format!("open the content store `{}`{hint}", folder.display())
        })?;
        Ok(Self { store, supervisor: supervisor(config)? })
    }
}

/// A file that the caller names, for reading; `-` is standard input, and a folder is read as its tar. To be opened before
/// [`Place::open`].
pub(super) fn input(path: &Path) -> Result<File> {
    let path = if path == Path::new("-") { Path::new("/dev/stdin") } else { path };
    if path.is_dir() {
        return pack::stream(path);
    }
    File::open(path).with_context(|| format!("open `{}`", path.display()))
}

/// Refuses when another node's supervisor runs where this one's would: its layers are elsewhere.
///
/// # Errors
/// With what to do.
pub(super) fn check_node(config: &Config) -> Result<()> {
    match other_node(config) {
        Some(other) => bail!(
            "the node that runs in `{}` has its state in `{}`: give that one with --state-dir, or another --run-dir, \
             --uid-base and --cgroup-parent",
            config.run_dir.display(),
            other.display()
        ),
        None => Ok(()),
    }
}

/// The state directory of the node that runs here, if it is another one than ours.
fn other_node(config: &Config) -> Option<PathBuf> {
    Client::connect(&config.supervisor_socket()).ok()?;
    let node = NodeFile::load(&config.run_dir.join("node.json")).ok()?;
    (node.state_dir != config.state_dir).then_some(node.state_dir)
}

/// A connection to the node's supervisor; `None` when none runs, or that of another node.
fn supervisor(config: &Config) -> Result<Option<Client>> {
    if other_node(config).is_some() {
        return Ok(None);
    }
    for _ in 0..GREETINGS {
        let Ok(mut client) = Client::connect(&config.supervisor_socket()) else { return Ok(None) };
        client.set_timeout(UNPACK_TIMEOUT);
        match client.hello() {
            Ok(_) => return Ok(Some(client)),
            // One that was started for a build, and is ending with it.
            Err(ClientError::Refused(refusal)) if refusal.kind == RefusalKind::Busy => return Ok(None),
            // It has ended since, and another one may follow.
            Err(ClientError::Io { .. }) => std::thread::sleep(LOOK),
            Err(error) => return Err(error).context("greet the supervisor"),
        }
    }
    bail!("greet the supervisor: it closes every connection; its log says why")
}

/// Root becomes serve's uid for good; anyone else stays who they are.
fn become_serve(config: &Config) -> Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    folders::make(config)?;
    let (uid, gid) = (Uid::from_raw(config.serve_uid()), Gid::from_raw(config.serve_uid()));
    setgroups(&[])?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    Ok(())
}
