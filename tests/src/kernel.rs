//! What the whole kernel holds: memory of its own, and counts of objects that have no name anywhere.

use std::fs;

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, unshare};

/// Figures of one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel {
    /// Memory of the kernel itself that no pressure gives back: slabs, per-processor areas, stacks, page tables. KiB.
    pub memory_kib: u64,
    /// Control groups of all hierarchies, those included that are removed and not yet released.
    pub cgroups: u64,
    /// Network namespaces, those included that nothing refers to by name.
    pub network_namespaces: u64,
}

impl Kernel {
    /// Reads the figures after caches were dropped.
    ///
    /// Caches would hide a leak twice: pages and directory entries of a gone container keep its memory cgroup alive, and
    /// grow with use by design. The free memory of the machine says nothing: five per cent of it are more than ten
    /// thousand leaks, and other programs move it. So what is read is the memory that only the kernel can have leaked.
    ///
    /// # Errors
    /// When not root.
    pub fn look() -> Result<Self> {
        fs::write("/proc/sys/vm/drop_caches", "3").context("drop caches")?;
        Ok(Self { memory_kib: memory()?, cgroups: cgroups()?, network_namespaces: network_namespaces()? })
    }
}

/// Network namespaces, those included that nothing refers to by name. No cache keeps one alive.
///
/// # Errors
/// When not root.
pub fn network_namespaces() -> Result<u64> {
    // Since 6.13 the kernel frees the namespaces of one turn of its work when the next one goes: here one goes.
    let gone = std::thread::spawn(|| unshare(CloneFlags::CLONE_NEWNET)).join();
    gone.ok().context("a thread with a namespace of its own")??;
    // Processors keep slabs that count as full until they give them back. Not every kernel can be told to.
    drop(fs::write("/sys/kernel/slab/net_namespace/shrink", "1"));
    slab("net_namespace")
}

fn memory() -> Result<u64> {
    let table = fs::read_to_string("/proc/meminfo")?;
    let one = |name: &str| {
        let line = table.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok())
            .context("a line of /proc/meminfo")
    };
    Ok(one("SUnreclaim")? + one("Percpu")? + one("KernelStack")? + one("PageTables")?)
}

fn cgroups() -> Result<u64> {
    let table = fs::read_to_string("/proc/cgroups")?;
    let counts = table.lines().filter_map(|l| l.split_whitespace().nth(2)?.parse::<u64>().ok());
    Ok(counts.sum())
}

/// Objects of one kind in use. The kernel counts a processor's current slab as in use as a whole.
fn slab(name: &str) -> Result<u64> {
    let table = fs::read_to_string("/proc/slabinfo")?;
    let line = table.lines().find(|l| l.split_whitespace().next() == Some(name));
    line.and_then(|l| l.split_whitespace().nth(1)?.parse().ok()).with_context(|| format!("no slab `{name}`"))
}
