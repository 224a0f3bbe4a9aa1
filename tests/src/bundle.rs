//! A bundle as an engine would hand it to a runtime: `config.json` beside a root file system of one static program.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use oci_spec::runtime::Spec;
use serde_json::{Value, json};

/// A bundle in a folder of its own, removed on drop.
#[derive(Debug)]
pub struct Bundle {
    folder: tempfile::TempDir,
}

impl Bundle {
    /// Makes a bundle whose container runs `argv`; a copy of `program` lies in the root under its own name.
    ///
    /// The container has every namespace but a user namespace, the usual mounts, and its cgroup at `cgroups_path`.
    ///
    /// # Errors
    /// When a file cannot be written; `program` must be static.
    pub fn new(program: &Path, argv: &[&str], cgroups_path: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("sandlot-bundle-").tempdir()?;
        for name in ["rootfs/dev", "rootfs/proc", "rootfs/sys", "rootfs/tmp"] {
            fs::create_dir_all(folder.path().join(name))?;
        }
        let name = program.file_name().context("a program without a name")?;
        let copy = folder.path().join("rootfs").join(name);
        fs::copy(program, copy).with_context(|| program.display().to_string())?;
        let bundle = Self { folder };
        bundle.configure(&document(argv, cgroups_path)?)?;
        Ok(bundle)
    }

    /// Writes another `config.json`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn configure(&self, document: &Value) -> Result<()> {
        Ok(fs::write(self.path().join("config.json"), serde_json::to_vec(document)?)?)
    }

    /// The bundle's folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The root file system.
    pub fn root(&self) -> PathBuf {
        self.path().join("rootfs")
    }
}

/// The document of a container without a terminal.
///
/// # Errors
/// When the default document has no JSON form, which would be a fault of the crate that defines it.
pub fn document(argv: &[&str], cgroups_path: &str) -> Result<Value> {
    let mut document = serde_json::to_value(Spec::default())?;
    let settings = [
        ("/process/args", json!(argv)),
        ("/process/terminal", json!(false)),
        ("/root", json!({"path": "rootfs", "readonly": true})),
        ("/hostname", json!("bundle")),
    ];
    for (place, value) in settings {
        *document.pointer_mut(place).with_context(|| format!("no {place} in the default document"))? = value;
    }
    let linux = document.get_mut("linux").and_then(Value::as_object_mut).context("no linux")?;
    linux.insert("cgroupsPath".to_owned(), json!(cgroups_path));
    Ok(document)
}
