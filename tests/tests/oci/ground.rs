//! A bundle with busybox, a state folder and a cgroup of its own; nothing of them is left when it is dropped.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use sandlot_tests::bundle::{Bundle, document};
use serde_json::Value;

static NEXT: AtomicU32 = AtomicU32::new(0);
const APPLETS: [&str; 22] = [
    "sh", "cat", "echo", "sleep", "id", "ls", "mount", "umount", "mknod", "head", "stat", "true", "false",
    "kill", "readlink", "mkdir", "touch", "hostname", "tty", "grep", "chown", "env",
];

/// Where the containers of one test are made.
pub(crate) struct Ground {
    pub(crate) bundle: Bundle,
    state: tempfile::TempDir,
    pub(crate) cgroup: String,
    pub(crate) spec: Value,
}

/// What a command has said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The binary that was built with the tests.
pub(crate) fn program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let folder = tests.parent().unwrap().parent().unwrap();
    let program = folder.join("sandlot-oci");
    assert!(program.exists(), "no {}: build it by `make oci`", program.display());
    program
}

impl Ground {
    pub(crate) fn new(argv: &[&str]) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let cgroup = format!("/sandlot-oci-test-{}-{number}", std::process::id());
        let busybox = Path::new("/usr/bin/busybox");
        let busybox = if busybox.exists() { busybox } else { Path::new("/bin/busybox") };
        let bundle = Bundle::new(busybox, argv, &cgroup).unwrap();
        for name in ["bin", "etc", "root"] {
            fs::create_dir_all(bundle.root().join(name)).unwrap();
        }
        for applet in APPLETS {
            symlink("/busybox", bundle.root().join("bin").join(applet)).unwrap();
        }
        let spec = document(argv, &cgroup).unwrap();
        Self { bundle, state: tempfile::tempdir().unwrap(), cgroup, spec }
    }

    /// A container that runs a line of shell.
    pub(crate) fn shell(line: &str) -> Self {
        Self::new(&["/bin/sh", "-c", line])
    }

    /// Sets a value of the config by its JSON pointer; `-` at the end appends to a list.
    pub(crate) fn set(mut self, pointer: &str, value: Value) -> Self {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        if self.spec.pointer(parent).is_none_or(Value::is_null) {
            self =
                self.set(parent, if name == "-" { Value::Array(Vec::new()) } else { serde_json::json!({}) });
        }
        match self.spec.pointer_mut(parent).unwrap() {
            Value::Array(list) => list.push(value),
            object => object[name] = value,
        }
        self.bundle.configure(&self.spec).unwrap();
        self
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.arg("--root").arg(self.state.path()).args(args).current_dir(self.bundle.path());
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command of the runtime to its end.
    pub(crate) fn oci(&self, args: &[&str]) -> Said {
        Said::from(self.command(args).output().unwrap())
    }

    /// As [`Ground::oci`], which has to go well; returns what it printed.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let said = self.oci(args);
        assert_eq!(said.code, 0, "{args:?}: {said:?}");
        said.out
    }

    /// Runs the container in the foreground.
    pub(crate) fn run(&self) -> Said {
        self.oci(&["run", "c"])
    }

    /// Starts it in the background; its output goes nowhere.
    pub(crate) fn detached(&self) {
        let said = self.behind(&["run", "-d", "c"]);
        assert_eq!(said.code, 0, "{said:?}");
    }

    /// Runs a command whose container goes on with its output: into a file, of which nobody waits for the end.
    pub(crate) fn behind(&self, args: &[&str]) -> Said {
        let file = self.bundle.path().join("said");
        let status = self
            .command(args)
            .stdout(Stdio::null())
            .stderr(fs::File::create(&file).unwrap())
            .status()
            .unwrap();
        Said { code: status.code().unwrap(), out: String::new(), err: fs::read_to_string(&file).unwrap() }
    }

    pub(crate) fn status(&self) -> String {
        let state: Value = serde_json::from_str(&self.ok(&["state", "c"])).unwrap();
        state["status"].as_str().unwrap().to_owned()
    }

    pub(crate) fn pid(&self) -> i32 {
        let state: Value = serde_json::from_str(&self.ok(&["state", "c"])).unwrap();
        i32::try_from(state["pid"].as_i64().unwrap()).unwrap()
    }

    /// The group's folder with this controller, and whether that is version 2.
    pub(crate) fn group(&self, controller: &str) -> (PathBuf, bool) {
        let first = Path::new("/sys/fs/cgroup").join(controller);
        match first.is_dir() && !Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
            true => (first.join(&self.cgroup[1..]), false),
            false => (Path::new("/sys/fs/cgroup").join(&self.cgroup[1..]), true),
        }
    }

    /// Every folder of the container's group.
    pub(crate) fn groups(&self) -> Vec<PathBuf> {
        let mut roots = vec![PathBuf::from("/sys/fs/cgroup")];
        roots.extend(fs::read_dir("/sys/fs/cgroup").unwrap().flatten().map(|entry| entry.path()));
        roots.iter().map(|root| root.join(&self.cgroup[1..])).filter(|path| path.exists()).collect()
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        for id in ["c", "d"] {
            self.oci(&["delete", "--force", id]);
        }
        if std::thread::panicking() {
            return;
        }
        let left: Vec<_> =
            fs::read_dir(self.state.path()).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert!(left.iter().all(|name| name == ",filters"), "state is left: {left:?}");
        assert!(self.groups().is_empty(), "cgroups are left: {:?}", self.groups());
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let folder = self.bundle.path().display().to_string();
        assert!(!mounts.contains(&folder), "a mount is left");
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let status = output.status;
        let code = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap();
        // Log entries quote quotes.
        Self { code, out: text(&output.stdout), err: text(&output.stderr).replace("\\\"", "\"") }
    }
}
