//! A state directory without a node, and the programs that work on it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use sandlot_tests::node::binary;
use tempfile::TempDir;

/// Folder of one test, with a content store in it.
pub(crate) struct Ground {
    folder: TempDir,
}

impl Ground {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `sandlot image` with these arguments, not yet run.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary("sandlot").unwrap());
        command.arg("image").args(arguments).stdin(Stdio::null());
        command.arg("--state-dir").arg(self.path("state")).arg("--run-dir").arg(self.path("run"));
        command
    }

    /// Runs it; its output when it succeeds.
    pub(crate) fn image(&self, arguments: &[&str]) -> String {
        said(self.command(arguments).output().unwrap())
    }

    /// Runs it; its error when it fails.
    pub(crate) fn refused(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(!output.status.success(), "{arguments:?} succeeded");
        String::from_utf8(output.stderr).unwrap()
    }

    /// The id of an image.
    pub(crate) fn id(&self, image: &str) -> String {
        self.inspect(image)["Id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn inspect(&self, image: &str) -> serde_json::Value {
        let text = self.image(&["inspect", image]);
        serde_json::from_str::<serde_json::Value>(&text).unwrap()[0].clone()
    }

    /// Names of the blobs that the store holds, sorted.
    pub(crate) fn blobs(&self) -> Vec<String> {
        names(&self.path("state/serve/content/blobs/sha256"))
    }
}

/// Names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Runs another program, which `make test` has installed from the Debian package of its name.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    said(output.unwrap_or_else(|error| panic!("{program}: {error} (Debian: apt install {program})")))
}

fn said(output: Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "status {:?}: {error}", output.status.code());
    String::from_utf8(output.stdout).unwrap()
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
