//! What all contestants of the bench start on: the compiled C programs, the bundle, an overlay mounted as its root.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use sandlot_tests::bundle::{Bundle, document};
use serde_json::json;

/// Folders, programs and the mount; all removed on drop.
pub(crate) struct Ground {
    folder: tempfile::TempDir,
    bundle: Bundle,
    groups: Vec<PathBuf>,
}

impl Ground {
    /// Compiles, makes the bundle and mounts its root.
    ///
    /// # Errors
    /// When not root, or without gcc and a static C library.
    pub(crate) fn make() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("sandlot-bench-").tempdir()?;
        compile(include_str!("measure.c"), &folder.path().join("measure"))?;
        compile(include_str!("floor.c"), &folder.path().join("floor"))?;
        compile(include_str!("true.c"), &folder.path().join("true"))?;
        let group = format!("sandlot-bench-{}", std::process::id());
        let bundle = Bundle::new(&folder.path().join("true"), &["/true"], &format!("/{group}"))?;
        let ground = Self { folder, bundle, groups: hierarchies()? };
        for name in ["upper", "work", "merged", "floor-upper/upper", "floor-upper/work", "floor-upper/merged"]
        {
            std::fs::create_dir_all(ground.path(name))?;
        }
        ground.mount_root()?;
        let mut config = document(&["/true"], &format!("/{group}"))?;
        config["root"] = json!({"path": ground.path("merged"), "readonly": false});
        ground.bundle.configure(&config)?;
        Ok(ground)
    }

    fn mount_root(&self) -> Result<()> {
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            self.bundle.root().display(),
            self.path("upper").display(),
            self.path("work").display()
        );
        let root = self.path("merged");
        Ok(mount(Some("overlay"), &root, Some("overlay"), MsFlags::empty(), Some(options.as_str()))?)
    }

    /// A path in the bench's own folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The bundle; its root is the overlay.
    pub(crate) fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The top folder of every cgroup hierarchy of the host.
    pub(crate) fn hierarchies(&self) -> &[PathBuf] {
        &self.groups
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // Only in the way of removing the folder, which then says so.
        umount2(&self.path("merged"), MntFlags::MNT_DETACH).ok();
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark may spawn")]
fn compile(source: &str, to: &Path) -> Result<()> {
    let mut gcc = Command::new("gcc")
        .args(["-static", "-O2", "-Wall", "-x", "c", "-", "-o"])
        .arg(to)
        .stdin(Stdio::piped())
        .spawn()
        .context("run gcc")?;
    gcc.stdin.take().context("no input of gcc")?.write_all(source.as_bytes())?;
    ensure!(gcc.wait()?.success(), "gcc failed to make {}", to.display());
    Ok(())
}

/// Mount points of cgroup file systems.
fn hierarchies() -> Result<Vec<PathBuf>> {
    let table = std::fs::read_to_string("/proc/self/mounts")?;
    let mounts = table.lines().map(|l| l.split(' ').collect::<Vec<_>>());
    let groups = mounts.filter(|m| m.get(2).is_some_and(|kind| kind.starts_with("cgroup")));
    Ok(groups.filter_map(|m| m.get(1).map(PathBuf::from)).collect())
}
