//! The command line of `sandlot-oci` as an engine calls it: a state folder of its own, containers by id.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::bundle::Bundle;
use crate::node;

/// Seconds after which a command counts as stuck and is killed.
const PATIENCE: &str = "60";

/// The binary that this test run built, with a state folder of its own, removed on drop.
#[derive(Debug)]
pub struct Oci {
    program: PathBuf,
    folder: tempfile::TempDir,
}

impl Oci {
    /// A runtime without containers.
    ///
    /// # Errors
    /// When the binary was not built.
    pub fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("sandlot-oci-").tempdir()?;
        Ok(Self { program: node::binary("sandlot-oci")?, folder })
    }

    /// Folder with the states of the containers, one folder each.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// The folder of everything that this runtime writes.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `run` in the foreground: the container has ended and is gone when this returns.
    ///
    /// # Errors
    /// When the command or the container fails; the message has the log.
    pub fn run(&self, bundle: &Bundle, id: &str) -> Result<()> {
        self.call(id, &["run", "--bundle", &bundle.path().to_string_lossy(), id])
    }

    /// `create`: the container waits for [`Oci::start`].
    ///
    /// # Errors
    /// As [`Oci::run`].
    pub fn create(&self, bundle: &Bundle, id: &str) -> Result<()> {
        self.call(id, &["create", "--bundle", &bundle.path().to_string_lossy(), id])
    }

    /// `start` of a created container.
    ///
    /// # Errors
    /// As [`Oci::run`].
    pub fn start(&self, id: &str) -> Result<()> {
        self.call(id, &["start", id])
    }

    /// `exec` of a program in a running container, until it has ended.
    ///
    /// # Errors
    /// As [`Oci::run`].
    pub fn exec(&self, id: &str, argv: &[&str]) -> Result<()> {
        self.call(id, &[&["exec", id], argv].concat())
    }

    /// `kill` with a signal.
    ///
    /// # Errors
    /// As [`Oci::run`].
    pub fn kill(&self, id: &str, signal: &str) -> Result<()> {
        self.call(id, &["kill", id, signal])
    }

    /// `delete` of a stopped container, or of any with `--force`.
    ///
    /// # Errors
    /// As [`Oci::run`].
    pub fn delete(&self, id: &str, force: bool) -> Result<()> {
        if force { self.call(id, &["delete", "--force", id]) } else { self.call(id, &["delete", id]) }
    }

    /// The OCI status, such as `running`; none when there is no such container.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn status(&self, id: &str) -> Result<Option<String>> {
        let output =
            Command::new(&self.program).arg("--root").arg(self.root()).args(["state", id]).output()?;
        let state: Option<serde_json::Value> = serde_json::from_slice(&output.stdout).ok();
        Ok(state.and_then(|s| s.get("status")?.as_str().map(str::to_owned)))
    }

    /// One command. The container gets no descriptor of ours: it could hold a pipe open for ever.
    fn call(&self, id: &str, arguments: &[&str]) -> Result<()> {
        let log = self.folder.path().join(format!("{id}.log"));
        let status = Command::new("timeout")
            .args(["--kill-after=5", PATIENCE])
            .arg(&self.program)
            .arg("--root")
            .arg(self.root())
            .arg("--log")
            .arg(&log)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        if !status.success() {
            bail!("`{}` ended with {status}: {}", arguments.join(" "), text.trim());
        }
        // Without failure nobody reads it, and a soak makes thousands.
        Ok(std::fs::remove_file(&log).or_else(missing_is_fine)?)
    }
}

fn missing_is_fine(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
