//! A bundle: the folder that a container is made from.

use std::fs;
use std::path::{Path, PathBuf};

use oci_spec::runtime::Spec;

use super::document;
use super::error::Error;
use crate::spec::Plan;

/// Longest config that is read; real ones have some ten kilobytes.
const MAX_CONFIG_BYTES: u64 = 16 << 20;

/// A bundle whose config has become a plan.
#[derive(Debug)]
pub struct Bundle {
    /// Absolute path.
    pub path: PathBuf,
    /// The text of its `config.json`.
    pub text: Vec<u8>,
    /// The document.
    pub spec: Spec,
    /// What is going to be done.
    pub plan: Plan,
}

impl Bundle {
    /// Reads a bundle.
    ///
    /// # Errors
    /// When its config is missing, no JSON, or cannot be carried out.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let path = fs::canonicalize(path).map_err(Error::file("chdir", path))?;
        let file = path.join("config.json");
        let text = read(&file).map_err(|source| Error::Config { path: file, source })?;
        let spec = document::spec(&text)?;
        check_version(&spec)?;
        let plan = Plan::try_from(&spec)?;
        Ok(Self { path, text, spec, plan })
    }

    /// Absolute path of the root file system.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn rootfs(&self) -> Result<PathBuf, Error> {
        let path = self.path.join(&self.plan.root().path);
        let rootfs = fs::canonicalize(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Error::said(format!("rootfs ({}) does not exist", path.display()))
            }
            _ => Error::file("open the rootfs", &path)(error),
        })?;
        if rootfs.is_dir() {
            Ok(rootfs)
        } else {
            Err(Error::said(format!("rootfs ({}) is no folder", path.display())))
        }
    }
}

fn check_version(spec: &Spec) -> Result<(), Error> {
    let version = spec.version();
    if version.starts_with("1.") {
        return Ok(());
    }
    Err(Error::said(format!("the ociVersion {version:?} of the config is not supported: use 1.x")))
}

/// Reads a JSON document of bounded length.
pub(super) fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut text = Vec::new();
    fs::File::open(path)?.take(MAX_CONFIG_BYTES).read_to_end(&mut text)?;
    Ok(text)
}
