//! An image of one layer: busybox and the probe, and what a test adds to it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sandlot_runtime::supervisor::name::DiffId;

use super::IMAGE_BASE;
use crate::node::binary;

/// An unpacked layer, owned by the image range.
#[derive(Debug)]
pub struct Image {
    folder: tempfile::TempDir,
    layer: DiffId,
}

impl Image {
    /// Makes the layer; `change` may alter its tree before it gets its owner.
    ///
    /// # Errors
    /// When busybox or the probe is missing.
    pub fn new(change: impl FnOnce(&Path) -> Result<()>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("sandlot-test-").tempdir()?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let image = Self { folder, layer: DiffId::try_from("a".repeat(64))? };
        fill(&image.tree())?;
        change(&image.tree())?;
        own(&image.tree())?;
        Ok(image)
    }

    /// The root of the layer on the host.
    pub fn tree(&self) -> PathBuf {
        self.layers_folder().join(self.layer.as_hex())
    }

    pub(super) fn layer(&self) -> &DiffId {
        &self.layer
    }

    pub(super) fn layers_folder(&self) -> PathBuf {
        self.folder.path().join("layers")
    }
}

fn fill(tree: &Path) -> Result<()> {
    for folder in ["bin", "etc", "root", "tmp", "proc", "sys", "dev"] {
        fs::create_dir_all(tree.join(folder))?;
    }
    fs::set_permissions(tree.join("tmp"), fs::Permissions::from_mode(0o1777))?;
    let busybox = ["/usr/bin/busybox", "/bin/busybox"].into_iter().find(|path| Path::new(path).is_file());
    fs::copy(busybox.context("no busybox: install busybox-static")?, tree.join("bin/busybox"))?;
    let list = std::process::Command::new("busybox").arg("--list").output()?;
    for name in String::from_utf8(list.stdout)?.lines().filter(|name| *name != "busybox") {
        symlink("busybox", tree.join("bin").join(name))?;
    }
    fs::copy(binary("sandlot-probe")?, tree.join("bin/sandlot-probe"))?;
    fs::write(tree.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n")?;
    fs::write(tree.join("etc/group"), "root:x:0:\n")?;
    Ok(())
}

fn own(path: &Path) -> Result<()> {
    lchown(path, Some(IMAGE_BASE), Some(IMAGE_BASE))?;
    if path.symlink_metadata()?.is_dir() {
        for entry in fs::read_dir(path)? {
            own(&entry?.path())?;
        }
    }
    Ok(())
}
