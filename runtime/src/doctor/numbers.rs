//! The kernel's bounds on numbers of things, against what the configured sessions take.

use std::fs;

use nix::sys::resource::{Resource, getrlimit};

use super::{Check, Node};

/// A setting that must reach so much for each session, and so much besides.
struct Bound {
    name: &'static str,
    setting: &'static str,
    each: u64,
    besides: u64,
    what: &'static str,
}

const BOUNDS: [Bound; 13] = [
    bound("pty.max", "kernel/pty/max", 4, 64, "terminals"),
    bound("pid_max", "kernel/pid_max", 32, 4096, "processes"),
    bound("threads-max", "kernel/threads-max", 32, 4096, "threads"),
    bound("file-max", "fs/file-max", 256, 65_536, "open files"),
    bound("inotify instances", "fs/inotify/max_user_instances", 0, 128, "watchers of one user"),
    bound("inotify watches", "fs/inotify/max_user_watches", 0, 8192, "watches of one user"),
    bound("max_user_namespaces", "user/max_user_namespaces", 3, 64, "user namespaces"),
    bound("mount namespaces", "user/max_mnt_namespaces", 3, 64, "mount namespaces"),
    bound("pid namespaces", "user/max_pid_namespaces", 1, 64, "pid namespaces"),
    bound("network namespaces", "user/max_net_namespaces", 2, 64, "network namespaces"),
    bound("ipc namespaces", "user/max_ipc_namespaces", 1, 64, "ipc namespaces"),
    bound("uts namespaces", "user/max_uts_namespaces", 1, 64, "uts namespaces"),
    bound("cgroup namespaces", "user/max_cgroup_namespaces", 1, 64, "cgroup namespaces"),
];

const fn bound(
    name: &'static str,
    setting: &'static str,
    each: u64,
    besides: u64,
    what: &'static str,
) -> Bound {
    Bound { name, setting, each, besides, what }
}

/// Descriptors that the supervisor or serve holds for a session.
const DESCRIPTORS_EACH: u64 = 32;
const DESCRIPTORS_BESIDES: u64 = 1024;
/// Memory of an idle session, and of the node itself.
const MEMORY_EACH_KIB: u64 = 3 * 1024;
const MEMORY_BESIDES_KIB: u64 = 512 * 1024;

pub(super) fn check(node: &Node) -> Vec<Check> {
    let sessions = u64::from(node.sessions);
    let mut checks: Vec<Check> = BOUNDS.iter().map(|bound| check_bound(bound, sessions)).collect();
    checks.extend([descriptors(sessions), memory(sessions)]);
    checks
}

fn check_bound(bound: &Bound, sessions: u64) -> Check {
    let wanted = bound.each * sessions + bound.besides;
    let text = fs::read_to_string(format!("/proc/sys/{}", bound.setting)).unwrap_or_default();
    let Ok(there) = text.trim().parse::<u64>() else {
        return Check::warn(
            bound.name,
            format!("the kernel does not say how many {} it allows", bound.what),
            "look at /proc/sys",
        );
    };
    let finding = format!("{there} {}, {wanted} wanted", bound.what);
    if there >= wanted {
        return Check::ok(bound.name, finding);
    }
    let setting = bound.setting.replace('/', ".");
    Check::warn(bound.name, finding, format!("sysctl {setting}={}", wanted.next_power_of_two()))
}

fn descriptors(sessions: u64) -> Check {
    let wanted = sessions * DESCRIPTORS_EACH + DESCRIPTORS_BESIDES;
    let there = getrlimit(Resource::RLIMIT_NOFILE).map(|(_, hard)| hard).unwrap_or(0);
    let finding = format!("{there} descriptors for one process, {wanted} wanted");
    if there >= wanted {
        return Check::ok("NOFILE", finding);
    }
    Check::warn(
        "NOFILE",
        finding,
        format!("LimitNOFILE={} in the units, or ulimit -Hn", wanted.next_power_of_two()),
    )
}

fn memory(sessions: u64) -> Check {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let there: u64 = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0);
    let wanted = sessions * MEMORY_EACH_KIB + MEMORY_BESIDES_KIB;
    let finding = format!("{} MiB available, {} wanted by idle sessions", there / 1024, wanted / 1024);
    if there >= wanted {
        return Check::ok("memory", finding);
    }
    Check::warn("memory", finding, "fewer sessions, or more memory")
}
