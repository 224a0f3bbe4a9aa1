//! A state directory without a node, and the programs that work on it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use sandlot_tests::node::{Ids, binary};
use sandlot_tests::wait::{self, PATIENCE};
use tempfile::TempDir;

/// Folder of one test, with a content store in it, and ids for the machines of builds. Dropped, it looks for leaks.
pub(crate) struct Ground {
    folder: TempDir,
    ids: Ids,
}

impl Ground {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("sandlot-images-").tempdir().unwrap();
        let passable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), passable).unwrap();
        let ground = Self { folder, ids: Ids::take().unwrap() };
        // As few ids as a node of this size needs.
        std::fs::write(ground.path("sandlot.toml"), "[limits]\nsessions_per_node = 100\n").unwrap();
        ground
    }

    fn cgroup_parent(&self) -> String {
        format!("sandlot-images-{}", self.ids.first())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `sandlot image` with these arguments, not yet run.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary("sandlot").unwrap());
        command.arg("image").args(arguments).stdin(Stdio::null());
        command.arg("--state-dir").arg(self.path("state")).arg("--run-dir").arg(self.path("run"));
        command.arg("--config").arg(self.path("sandlot.toml"));
        command.args(["--cgroup-parent", &self.cgroup_parent(), "--uid-base", &self.ids.first().to_string()]);
        command
    }

    /// Writes a file of a build's context.
    pub(crate) fn write(&self, name: &str, content: &str) {
        let path = self.path("context").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Builds the context with this Dockerfile, under a name.
    pub(crate) fn build(&self, name: &str, dockerfile: &str, more: &[&str]) -> Output {
        self.write("Dockerfile", dockerfile);
        let context = self.path("context");
        self.command(&[["build", "-t", name].as_slice(), more, &[text(&context)]].concat()).output().unwrap()
    }

    /// Builds; what it says when it succeeds.
    pub(crate) fn built(&self, name: &str, dockerfile: &str, more: &[&str]) -> String {
        said(self.build(name, dockerfile, more))
    }

    /// A file of an image; `None` when it has none of this name.
    pub(crate) fn file(&self, image: &str, path: &str) -> Option<String> {
        use std::io::Read;
        let tar = self.command(&["export", image]).output().unwrap().stdout;
        let mut archive = tar::Archive::new(tar.as_slice());
        let mut entries = archive.entries().unwrap().map(Result::unwrap);
        let mut found = entries.find(|entry| entry.path().unwrap() == Path::new(path))?;
        let mut content = String::new();
        found.read_to_string(&mut content).unwrap();
        Some(content)
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

pub(crate) fn said(output: Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "status {:?}: {said}{error}", output.status.code());
    String::from_utf8(output.stdout).unwrap()
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

impl Drop for Ground {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let gone = || {
            let leaks = self.ids.leaks(&self.cgroup_parent(), self.folder.path()).unwrap();
            leaks.is_empty().then_some(())
        };
        if let Err(error) = wait::until("the end of everything that builds started", PATIENCE, gone) {
            let leaks = self.ids.leaks(&self.cgroup_parent(), self.folder.path()).unwrap();
            panic!("{error}: {leaks}");
        }
    }
}
