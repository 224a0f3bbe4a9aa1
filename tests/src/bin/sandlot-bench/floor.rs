//! The floor of a start: `unshare` of the same namespaces and one exec, by the system's own tool.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

/// How long a process in new user, pid, mount, network, ipc, uts and cgroup namespaces takes from start to end.
pub(crate) fn clone_and_exec() -> Result<Duration> {
    let start = Instant::now();
    let status = Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--pid",
            "--fork",
            "--mount",
            "--net",
            "--ipc",
            "--uts",
            "--cgroup",
        ])
        .args(["/bin/busybox", "true"])
        .status()?;
    ensure!(status.success(), "unshare failed");
    Ok(start.elapsed())
}
