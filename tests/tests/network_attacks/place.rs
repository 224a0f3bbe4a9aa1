//! A network namespace, and programs that run in it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Where a program runs.
#[derive(Debug)]
pub(crate) enum Place {
    /// In the network of the instance with this pid 1, with all capabilities of the session's root.
    Instance(u32),
    /// In a network namespace, as root of the host.
    Node(File),
}

/// What came of a program.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) succeeded: bool,
    pub(crate) text: String,
}

impl Place {
    /// Number of the namespace.
    pub(crate) fn inode(&self) -> Result<u64> {
        Ok(match self {
            Self::Instance(pid) => std::fs::metadata(format!("/proc/{pid}/ns/net"))?.ino(),
            Self::Node(file) => file.metadata()?.ino(),
        })
    }

    /// The program, not started yet.
    pub(crate) fn command(&self, argv: &[&str]) -> Command {
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

    /// Runs it to its end.
    pub(crate) fn run(&self, argv: &[&str]) -> Result<Said> {
        let output = self.command(argv).output().context("run nsenter")?;
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        Ok(Said { succeeded: output.status.success(), text })
    }

    /// The same, which must succeed.
    pub(crate) fn output(&self, argv: &[&str]) -> Result<String> {
        let said = self.run(argv)?;
        ensure!(said.succeeded, "{argv:?}: {}", said.text);
        Ok(said.text)
    }

    /// Starts it, and waits for its first line.
    #[expect(clippy::disallowed_methods, reason = "a test may spawn")]
    pub(crate) fn start(&self, argv: &[&str]) -> Result<Running> {
        let mut child = self.command(argv).stdout(Stdio::piped()).spawn()?;
        let mut stdout = BufReader::new(child.stdout.take().context("its stdout")?);
        let mut first = String::new();
        stdout.read_line(&mut first)?;
        Ok(Running { child, stdout, first })
    }
}

/// A program that has said its first line. It is ended with this.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    first: String,
}

impl Running {
    /// Its first line.
    pub(crate) fn first(&self) -> &str {
        &self.first
    }

    /// What it says until its end.
    pub(crate) fn end(mut self) -> Result<Said> {
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
pub(crate) fn held_by(pid: u32) -> Result<Vec<Place>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd"))?.flatten() {
        if is_network(&entry.path()) {
            found.extend(File::open(entry.path()).map(Place::Node));
        }
    }
    Ok(found)
}

fn is_network(path: &Path) -> bool {
    path.read_link().is_ok_and(|target| target.display().to_string().starts_with("net:["))
}
