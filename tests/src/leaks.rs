//! What a node has in the kernel: processes, mounts, cgroups, loop devices and links by the node's own names and ids.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::Result;

/// Kernel objects that carry a node's name or ids, one line each.
#[derive(Debug, Clone, Default)]
pub struct Leaks {
    found: Vec<String>,
}

impl Leaks {
    /// Looks for everything of the node whose ids start at `uid_base`.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn look(uid_base: u32, uids: u32, cgroup_parent: &str, folder: &Path) -> Result<Self> {
        let mut found = processes(uid_base, uids, folder)?;
        found.extend(mounts(folder)?);
        found.extend(cgroups(cgroup_parent));
        found.extend(loop_devices(folder));
        Ok(Self { found })
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// What was found.
    pub fn found(&self) -> &[String] {
        &self.found
    }
}

impl fmt::Display for Leaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.found.join("; "))
    }
}

/// Processes under an id of the node, or of the node's programs (their command line names the folder).
fn processes(uid_base: u32, uids: u32, folder: &Path) -> Result<Vec<String>> {
    // The id below the base is serve's; the last one of the range is that of the next node's serve.
    let own = uid_base - 1..uid_base - 1 + uids;
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
        let Ok(status) = fs::read_to_string(entry.path().join("status")) else { continue };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let ours = uid_of(&status).is_some_and(|uid| own.contains(&uid));
        if pid != std::process::id() && (ours || line.contains(&folder.display().to_string())) {
            found.push(format!("process {pid} `{}`", line.trim()));
        }
    }
    Ok(found)
}

fn uid_of(status: &str) -> Option<u32> {
    status.lines().find_map(|l| l.strip_prefix("Uid:"))?.split_whitespace().next()?.parse().ok()
}

/// Mounts in our own (the host's) mount namespace that mention the folder.
fn mounts(folder: &Path) -> Result<Vec<String>> {
    let folder = folder.display().to_string();
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    Ok(table.lines().filter(|l| l.contains(&folder)).map(|l| format!("mount `{l}`")).collect())
}

/// Folders of the node's cgroup in any hierarchy.
fn cgroups(parent: &str) -> Vec<String> {
    let top = Path::new("/sys/fs/cgroup");
    let mut places = vec![top.to_path_buf()];
    places.extend(fs::read_dir(top).into_iter().flatten().flatten().map(|e| e.path()));
    places
        .iter()
        .map(|p| p.join(parent))
        .filter(|p| p.is_dir())
        .map(|p| format!("cgroup {}", p.display()))
        .collect()
}

/// Loop devices whose file lies in the folder.
fn loop_devices(folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let devices = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let files = devices.filter_map(|d| fs::read_to_string(d.path().join("loop/backing_file")).ok());
    files.filter(|f| f.contains(&folder)).map(|f| format!("loop device on {}", f.trim())).collect()
}
