//! A network namespace, and programs that run in it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use nix::sched::{CloneFlags, setns};

/// Where a program runs.
#[derive(Debug)]
pub enum Place {
    /// In the network of the instance with this pid 1, with all capabilities of the session's root.
    Instance(u32),
    /// In a network namespace, as root of the host.
    Node(File),
}

/// What came of a program.
#[derive(Debug)]
pub struct Said {
    /// Whether it ended with 0.
    pub succeeded: bool,
    /// What it wrote to both of its outputs.
    pub text: String,
}

impl Place {
    /// Number of the namespace.
    ///
    /// # Errors
    /// When it is gone.
    pub fn inode(&self) -> Result<u64> {
        Ok(match self {
            Self::Instance(pid) => fs::metadata(format!("/proc/{pid}/ns/net"))?.ino(),
            Self::Node(file) => file.metadata()?.ino(),
        })
    }

    /// The program, not started yet.
    pub fn command(&self, argv: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        match self {
            Self::Instance(pid) => {
                let target = format!("--target={pid}");
                command.args([&target, "--user", "--net", "--uts", "--ipc", "--setuid=0", "--setgid=0"]);
            }
            Self::Node(file) => {
                command.arg(format!("--net=/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()));
            }
        }
        command.arg("--").args(argv).stdin(Stdio::null());
        command
    }

    /// Does something in a thread of the test's that is in there; sockets that it makes stay there.
    ///
    /// # Errors
    /// When the namespace cannot be entered, and with those of the work.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let namespace = match self {
            Self::Instance(pid) => File::open(format!("/proc/{pid}/ns/net"))?,
            Self::Node(file) => file.try_clone()?,
        };
        let inside = || {
            setns(namespace, CloneFlags::CLONE_NEWNET).context("enter a network namespace")?;
            work()
        };
        std::thread::scope(|scope| match scope.spawn(inside).join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn run(&self, argv: &[&str]) -> Result<Said> {
        let output = self.command(argv).output().context("run nsenter")?;
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        Ok(Said { succeeded: output.status.success(), text })
    }

    /// The same, which must succeed.
    ///
    /// # Errors
    /// When it does not; what it said is part of the message.
    pub fn output(&self, argv: &[&str]) -> Result<String> {
        let said = self.run(argv)?;
        ensure!(said.succeeded, "{argv:?}: {}", said.text);
        Ok(said.text)
    }

    /// Starts it, and waits for its first line.
    ///
    /// # Errors
    /// When it cannot be started.
    #[expect(clippy::disallowed_methods, reason = "a test may spawn")]
    pub fn start(&self, argv: &[&str]) -> Result<Running> {
        let mut child = self.command(argv).stdout(Stdio::piped()).spawn()?;
        let mut stdout = BufReader::new(child.stdout.take().context("its stdout")?);
        let mut first = String::new();
        stdout.read_line(&mut first)?;
        Ok(Running { child, stdout, first })
    }
}

/// A program that has said its first line. It is ended with this.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    first: String,
}

impl Running {
    /// Its first line.
    pub fn first(&self) -> &str {
        &self.first
    }

    /// What it says until its end.
    ///
    /// # Errors
    /// When it cannot be heard.
    pub fn end(mut self) -> Result<Said> {
        let mut text = self.first.clone();
        self.stdout.read_to_string(&mut text)?;
        Ok(Said { succeeded: self.child.wait()?.success(), text })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended already needs no end.
        let _gone = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// The network namespaces that a process holds by descriptors.
///
/// # Errors
/// When it is gone.
pub fn held_by(pid: u32) -> Result<Vec<Place>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))?.flatten() {
        if is_network(&entry.path()) {
            found.extend(File::open(entry.path()).map(Place::Node));
        }
    }
    Ok(found)
}

fn is_network(path: &Path) -> bool {
    path.read_link().is_ok_and(|target| target.display().to_string().starts_with("net:["))
}

/// The first process of each instance below this cgroup, after the name of its own, which is in the order of instances.
///
/// # Errors
/// When /proc cannot be read.
pub fn first_processes(cgroup_parent: &str) -> Result<BTreeSet<(String, u32)>> {
    let mut found = BTreeSet::new();
    let place = format!("/{cgroup_parent}/sessions/");
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let text = |name: &str| fs::read_to_string(entry.path().join(name)).unwrap_or_default();
        let groups = text("cgroup");
        let group = groups.lines().find_map(|line| line.split_once(&place)).map(|(_, below)| below);
        let is_first = text("status").lines().any(|line| {
            line.strip_prefix("NSpid:").is_some_and(|ids| ids.split_whitespace().last() == Some("1"))
        });
        if let (Some(group), true) = (group, is_first) {
            found.insert((group.to_owned(), pid));
        }
    }
    Ok(found)
}
