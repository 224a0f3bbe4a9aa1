//! What of the host must not be in sight: a process, a file, sockets, shared memory, a device.

use std::net::{SocketAddr, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use nix::sys::stat::{major, minor, stat};

/// Marks on the host, taken away on drop.
#[derive(Debug)]
pub(crate) struct Host {
    /// A folder of the host that no container should be able to name.
    pub(crate) folder: PathBuf,
    /// A word in the command line of a process.
    pub(crate) word: String,
    process: Child,
    listener: TcpListener,
    _abstract_listener: UnixListener,
    shared_memory: String,
    disk: String,
    link: String,
}

impl Host {
    /// Sets the marks.
    #[expect(clippy::disallowed_methods, reason = "a test may spawn")]
    pub(crate) fn new(folder: PathBuf) -> Result<Self> {
        let word = format!("86400.{}", std::process::id());
        let process =
            Command::new("sleep").arg(&word).stdin(Stdio::null()).spawn().context("start a process")?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let abstract_listener = UnixListener::bind_addr(&UnixAddress::from_abstract_name(&word)?)?;
        let made = Command::new("ipcmk").args(["--shmem", "4096"]).output().context("run ipcmk")?;
        let text = String::from_utf8(made.stdout)?;
        let shared_memory = text.trim().rsplit(' ').next().context("no id from ipcmk")?.to_owned();
        let disk = attach_disk(&folder)?;
        // A host without any other network has at least this link.
        let link = format!("probe{}", std::process::id());
        Command::new("ip").args(["link", "add", &link, "type", "dummy"]).output().context("run ip")?;
        Ok(Self {
            folder,
            word,
            process,
            listener,
            _abstract_listener: abstract_listener,
            shared_memory,
            disk,
            link,
        })
    }

    /// The process that has the word in its command line.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Where a listener of the host waits.
    pub(crate) fn address(&self) -> Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }

    /// The number of a System V shared memory segment.
    pub(crate) fn shared_memory(&self) -> &str {
        &self.shared_memory
    }

    /// Numbers of a disk of the host.
    pub(crate) fn disk(&self) -> Result<(u64, u64)> {
        let device = stat(self.disk.as_str())?.st_rdev;
        Ok((major(device), minor(device)))
    }
}

/// A disk that is nobody's: a loop device on a file of its own.
fn attach_disk(folder: &Path) -> Result<String> {
    let file = folder.with_extension("disk");
    std::fs::write(&file, vec![0; 1 << 20])?;
    let attached =
        Command::new("losetup").args(["--find", "--show"]).arg(&file).output().context("run losetup")?;
    ensure!(attached.status.success(), "losetup: {}", String::from_utf8_lossy(&attached.stderr));
    Ok(String::from_utf8(attached.stdout)?.trim().to_owned())
}

impl Drop for Host {
    fn drop(&mut self) {
        // What has ended or was removed already needs no more of it.
        let _ended = self.process.kill().and_then(|()| self.process.wait());
        let _removed = Command::new("ipcrm").args(["--shmem-id", &self.shared_memory]).status();
        let _deleted = Command::new("ip").args(["link", "delete", &self.link]).output();
        let _detached = Command::new("losetup").args(["--detach", &self.disk]).status();
    }
}
