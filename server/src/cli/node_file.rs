//! The node file: what the supervisor takes from root, written from the configuration.

use std::path::PathBuf;

use anyhow::{Context, Result};
use sandlot_runtime::supervisor::node::NodeFile;
use sandlot_runtime::supervisor::protocol::Limits;

use crate::config::Config;

/// Processes of one instance, at most.
const MAX_PIDS: u32 = 32_768;
/// Files of one instance, at most: 1 TiB.
const MAX_DISK_BYTES: u64 = 1 << 40;

/// Writes the file into the run directory; returns its path. A temporary supervisor ends with its last client.
///
/// # Errors
/// When the host's size cannot be read or the file not be written.
pub(crate) fn write(config: &Config, temporary: bool) -> Result<PathBuf> {
    std::fs::create_dir_all(&config.run_dir)
        .with_context(|| format!("make `{}`", config.run_dir.display()))?;
    let path = config.run_dir.join("node.json");
    NodeFile { temporary, ..node_file(config)? }.save(&path)?;
    Ok(path)
}

/// Tells a supervisor that runs already which files the site's TLS is in, and how sessions may go out; all else is as it
/// was started with.
///
/// # Errors
/// When its node file cannot be read or written.
pub(crate) fn tell_changes(config: &Config) -> Result<()> {
    let path = config.run_dir.join("node.json");
    let node = NodeFile::load(&path)?;
    let (tls, way) = (config.tls.clone(), config.way());
    if (&node.tls, &node.way) != (&tls, &way) {
        NodeFile { tls, way, ..node }.save(&path)?;
    }
    Ok(())
}

fn node_file(config: &Config) -> Result<NodeFile> {
    // Sessions that are ending hold their number for some seconds more.
    let max_sessions = config.quotas.sessions_per_node.saturating_mul(5) / 4 + 16;
    Ok(NodeFile {
        node_id: config.node_id.as_ref().map_or_else(|| "node".to_owned(), ToString::to_string),
        state_dir: config.state_dir.clone(),
        run_dir: config.run_dir.clone(),
        cgroup_parent: config.cgroup_parent.clone(),
        uid_base: config.uid_base,
        serve_uid: config.serve_uid(),
        link_prefix: config.link_prefix.clone(),
        max_sessions: max_sessions.min(sandlot_runtime::supervisor::name::SessionNumber::MAX),
        ceiling: ceiling()?,
        disk: config.disk.clone(),
        ready_disks: config.ready_disks,
        ready_networks: config.ready_networks,
        log_json: config.log_json,
        temporary: false,
        tls: config.tls.clone(),
        way: config.way(),
    })
}

/// No instance gets more than the host has.
///
/// # Errors
/// When the host's size cannot be read.
pub(crate) fn ceiling() -> Result<Limits> {
    let table = std::fs::read_to_string("/proc/meminfo").context("read /proc/meminfo")?;
    let total = table
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .map(|rest| rest.trim().trim_end_matches(" kB"));
    let memory_bytes = total.and_then(|kib| kib.parse::<u64>().ok()).context("read MemTotal")? * 1024;
    let cpus = u32::try_from(std::thread::available_parallelism()?.get()).unwrap_or(1024);
    Ok(Limits {
        memory_bytes,
        swap_bytes: memory_bytes,
        cpu_millis: cpus.saturating_mul(1000),
        pids: MAX_PIDS,
        disk_bytes: MAX_DISK_BYTES,
        io_bytes_per_second: None,
    })
}
