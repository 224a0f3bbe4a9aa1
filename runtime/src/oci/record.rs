//! What is stored of a container.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use nix::unistd::Pid;
use oci_spec::runtime::Spec;
use serde::{Deserialize, Serialize};

use super::bundle::read;
use super::cgroup::Placed;
use super::document;
use super::error::Error;
use crate::init::HookState;

/// A container, as it stands in `state.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Version of the specification that its config follows.
    pub oci_version: String,
    /// Its name.
    pub id: String,
    /// Its first process, in the pid namespace of the runtime; 0 before there is one.
    pub pid: i32,
    /// When that process began, in clock ticks since boot: another one of the same number began later.
    pub start_time: u64,
    /// Absolute path of its bundle.
    pub bundle: PathBuf,
    /// Absolute path of its root file system.
    pub rootfs: PathBuf,
    /// When it was made, as RFC 3339.
    pub created: String,
    /// Annotations of its config.
    #[serde(default, skip_serializing_if = "HashMap::is_empty")]
    pub annotations: HashMap<String, String>,
    /// Its cgroup.
    pub placed: Placed,
    /// Whether all its processes end with the first: it has a pid namespace of its own.
    pub private_pids: bool,
    /// Where this is stored.
    #[serde(skip)]
    pub folder: PathBuf,
}

impl Record {
    pub(super) fn load(folder: &Path) -> Result<Self, Error> {
        let file = folder.join("state.json");
        let text = read(&file).map_err(Error::file("open", &file))?;
        let mut record: Self = serde_json::from_slice(&text)?;
        folder.clone_into(&mut record.folder);
        Ok(record)
    }

    /// Writes the record whole or not at all.
    pub(super) fn save(&self) -> Result<(), Error> {
        let text = serde_json::to_vec(self)?;
        write_whole(&self.folder.join("state.json"), &text)
    }

    /// The config as it was when the container was made.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn spec(&self) -> Result<Spec, Error> {
        let file = self.folder.join("config.json");
        let text = read(&file).map_err(Error::file("open", &file))?;
        Ok(document::spec(&text)?)
    }

    pub(super) fn fifo(&self) -> PathBuf {
        self.folder.join("exec.fifo")
    }

    /// The state document (runtime.md, "State").
    pub fn state(&self, status: &str, pid: i32) -> serde_json::Value {
        let mut state = serde_json::json!({
            "ociVersion": self.oci_version,
            "id": self.id,
            "status": status,
            "pid": pid,
            "bundle": self.bundle,
        });
        if let (Some(state), false) = (state.as_object_mut(), self.annotations.is_empty()) {
            state.insert("annotations".to_owned(), serde_json::json!(self.annotations));
        }
        state
    }
}

impl HookState for Record {
    fn document(&self, status: &str, pid: Pid) -> Vec<u8> {
        self.state(status, pid.as_raw()).to_string().into_bytes()
    }
}

/// By a new file that takes the name: a reader never sees a half.
pub(super) fn write_whole(path: &Path, text: &[u8]) -> Result<(), Error> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let write = || {
        let mut file = fs::File::create(&part)?;
        file.write_all(text)?;
        fs::rename(&part, path)
    };
    write().map_err(Error::file("write", path))
}
