//! The document itself, as data: fields in the order in which they are written.

use serde::Serialize;

const CAPABILITIES: [&str; 3] = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];
const MASKED: &[&str] = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/sys/firmware",
    "/proc/scsi",
];
const READ_ONLY: &[&str] = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// A `config.json`, only to be written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    oci_version: &'static str,
    process: Process,
    root: Root,
    hostname: &'static str,
    mounts: Vec<Mount>,
    linux: Linux,
}

/// Whom a user namespace's root is outside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ids {
    pub(super) user: u32,
    pub(super) group: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Process {
    terminal: bool,
    user: User,
    args: [&'static str; 1],
    env: [&'static str; 2],
    cwd: &'static str,
    capabilities: Capabilities,
    rlimits: [Limit; 1],
    no_new_privileges: bool,
}

#[derive(Debug, Serialize)]
struct User {
    uid: u32,
    gid: u32,
}

#[derive(Debug, Serialize)]
struct Capabilities {
    bounding: [&'static str; 3],
    effective: [&'static str; 3],
    permitted: [&'static str; 3],
    ambient: [&'static str; 3],
}

#[derive(Debug, Serialize)]
struct Limit {
    r#type: &'static str,
    hard: u64,
    soft: u64,
}

#[derive(Debug, Serialize)]
struct Root {
    path: &'static str,
    readonly: bool,
}

#[derive(Debug, Serialize)]
struct Mount {
    destination: &'static str,
    r#type: &'static str,
    source: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    options: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Linux {
    #[serde(rename = "uidMappings", skip_serializing_if = "Option::is_none")]
    users: Option<[Mapping; 1]>,
    #[serde(rename = "gidMappings", skip_serializing_if = "Option::is_none")]
    groups: Option<[Mapping; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<Resources>,
    namespaces: Vec<Namespace>,
    masked_paths: &'static [&'static str],
    readonly_paths: &'static [&'static str],
}

#[derive(Debug, Serialize)]
struct Mapping {
    #[serde(rename = "containerID")]
    inside: u32,
    #[serde(rename = "hostID")]
    outside: u32,
    size: u32,
}

#[derive(Debug, Serialize)]
struct Resources {
    devices: [DeviceRule; 1],
}

#[derive(Debug, Serialize)]
struct DeviceRule {
    allow: bool,
    access: &'static str,
}

#[derive(Debug, Serialize)]
struct Namespace {
    r#type: &'static str,
}

impl Config {
    /// `rootless` with whose ids; `unified` where control groups are version 2 only.
    pub(super) fn new(rootless: Option<Ids>, unified: bool) -> Self {
        Self {
            oci_version: "1.2.0",
            process: process(),
            root: Root { path: "rootfs", readonly: true },
            hostname: "runc",
            mounts: mounts(rootless.is_some()),
            linux: linux(rootless, unified),
        }
    }
}

fn process() -> Process {
    Process {
        terminal: true,
        user: User { uid: 0, gid: 0 },
        args: ["sh"],
        env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
        cwd: "/",
        capabilities: Capabilities {
            bounding: CAPABILITIES,
            effective: CAPABILITIES,
            permitted: CAPABILITIES,
            ambient: CAPABILITIES,
        },
        rlimits: [Limit { r#type: "RLIMIT_NOFILE", hard: 1024, soft: 1024 }],
        no_new_privileges: true,
    }
}

fn mounts(rootless: bool) -> Vec<Mount> {
    vec![
        mount("/proc", "proc", "proc", ""),
        mount("/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"),
        pseudo_terminals(rootless),
        mount("/dev/shm", "tmpfs", "shm", "nosuid,noexec,nodev,mode=1777,size=65536k"),
        mount("/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev"),
        sys(rootless),
        mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid,noexec,nodev,relatime,ro"),
    ]
}

/// A namespace of one id has no group of terminals.
fn pseudo_terminals(rootless: bool) -> Mount {
    let options = "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5";
    let options = if rootless { options.trim_end_matches(",gid=5") } else { options };
    mount("/dev/pts", "devpts", "devpts", options)
}

/// Only who owns the network namespace may mount a new one.
fn sys(rootless: bool) -> Mount {
    if rootless {
        mount("/sys", "none", "/sys", "rbind,nosuid,noexec,nodev,ro")
    } else {
        mount("/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro")
    }
}

fn mount(
    destination: &'static str,
    r#type: &'static str,
    source: &'static str,
    options: &'static str,
) -> Mount {
    let options = options.split(',').filter(|option| !option.is_empty()).collect();
    Mount { destination, r#type, source, options }
}

fn linux(rootless: Option<Ids>, unified: bool) -> Linux {
    let mapping = |outside| [Mapping { inside: 0, outside, size: 1 }];
    Linux {
        users: rootless.map(|ids| mapping(ids.user)),
        groups: rootless.map(|ids| mapping(ids.group)),
        resources: match rootless {
            Some(_) => None,
            None => Some(Resources { devices: [DeviceRule { allow: false, access: "rwm" }] }),
        },
        namespaces: namespaces(rootless.is_some(), unified),
        masked_paths: MASKED,
        readonly_paths: READ_ONLY,
    }
}

fn namespaces(rootless: bool, unified: bool) -> Vec<Namespace> {
    let all = [
        ("pid", true),
        ("network", !rootless),
        ("ipc", true),
        ("uts", true),
        ("mount", true),
        ("cgroup", unified),
        ("user", rootless),
    ];
    all.into_iter().filter(|(_, wanted)| *wanted).map(|(r#type, _)| Namespace { r#type }).collect()
}
