//! The kernel: its version, control groups, namespaces, and settings that weaken containment.

use std::fs;

use nix::sys::utsname::uname;
use nix::unistd::geteuid;

use super::{Check, Node};
use crate::cgroup::{Removal, Tree};
use crate::container::userns;
use crate::supervisor::node::IDS_PER_SESSION;

/// The oldest that is tested.
const TESTED: (u32, u32) = (6, 1);
/// The oldest that has id-mapped mounts and all calls without which nothing starts.
const NEEDED: (u32, u32) = (5, 14);

pub(super) fn check(_: &Node) -> Vec<Check> {
    vec![root(), version(), seccomp(), dumpable()]
}

fn root() -> Check {
    if geteuid().is_root() {
        Check::ok("root", "this is root, so everything can be tried")
    } else {
        Check::warn(
            "root",
            "this is not root, so most things cannot be tried",
            "run `sandlot doctor` as root",
        )
    }
}

fn version() -> Check {
    let release = uname().map(|name| name.release().to_string_lossy().into_owned()).unwrap_or_default();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let finding = format!("Linux {release}");
    if version >= TESTED {
        Check::ok("kernel", finding)
    } else if version >= NEEDED {
        Check::warn("kernel", finding, "6.1 is the oldest that Sandlot is tested on; take a newer one")
    } else {
        Check::fail("kernel", finding, "a kernel from 6.1 on is needed")
    }
}

fn seccomp() -> Check {
    match fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail") {
        Ok(actions) if actions.contains("errno") => Check::ok("seccomp", "system call filters work"),
        _ => Check::fail(
            "seccomp",
            "there are no system call filters",
            "the kernel needs CONFIG_SECCOMP_FILTER",
        ),
    }
}

fn dumpable() -> Check {
    let name = "suid_dumpable";
    match fs::read_to_string("/proc/sys/fs/suid_dumpable") {
        Ok(text) if text.trim() == "1" => Check::warn(
            name,
            "fs.suid_dumpable is 1: processes that change their user can be traced",
            "sysctl fs.suid_dumpable=0",
        ),
        _ => Check::ok(name, "processes that change their user cannot be traced"),
    }
}

/// Makes a tree of its own and removes it.
pub(super) fn control_groups(_: &Node) -> Vec<Check> {
    let parent = format!("sandlot-doctor-{}", std::process::id());
    let tree = match Tree::open(&parent) {
        Ok(tree) => tree,
        Err(error) => {
            let advice =
                "mount the control groups with the controllers cpu, memory and pids, and run this as root";
            return vec![Check::fail("cgroup", error.to_string(), advice)];
        }
    };
    let mut checks =
        vec![Check::ok("cgroup", format!("{}, with all that limits need", tree.version().as_str()))];
    let advice =
        "boot with cgroup v2 alone (systemd.unified_cgroup_hierarchy=1), on v1 also with swapaccount=1";
    checks.extend(tree.degraded().iter().map(|sentence| Check::warn("cgroup", sentence, advice)));
    if !matches!(Tree::remove(&parent), Ok(Removal::Gone)) {
        let finding = format!("the group `{parent}` could not be removed");
        checks.push(Check::warn("cgroup", finding, "remove it by rmdir"));
    }
    checks
}

pub(super) fn namespaces(node: &Node) -> Vec<Check> {
    let made = userns::create(node.uid_base, IDS_PER_SESSION);
    vec![match made {
        Ok(_) => Check::ok("user namespaces", "a user namespace over a session's ids can be made"),
        Err(error) => Check::fail(
            "user namespaces",
            error.to_string(),
            "run this as root; the kernel needs CONFIG_USER_NS and user.max_user_namespaces above 0",
        ),
    }]
}
