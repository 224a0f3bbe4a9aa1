//! The doctor on the real kernel. Needs root.
//!
//! A program of its own instead of the test harness: trying things forks, which only a single-threaded process may.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests, without the attribute that would say so"
)]

use std::fs;
use std::path::Path;

use sandlot_runtime::disk::Wish;
use sandlot_runtime::doctor::{Check, Node, Status, examine, worst};

type Test = (&'static str, fn());

const TESTS: &[Test] = &[
    ("this_host_can_run_a_node_and_nothing_is_left", this_host_can_run_a_node_and_nothing_is_left),
    ("too_many_sessions_are_told", too_many_sessions_are_told),
    ("a_folder_that_cannot_be_written_is_a_failure", a_folder_that_cannot_be_written_is_a_failure),
];

fn main() {
    assert!(nix::unistd::geteuid().is_root(), "these tests need root");
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    for (name, test) in TESTS {
        if wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())) {
            test();
            println!("test {name} ... ok");
        }
    }
}

fn node(state_dir: &Path, sessions: u32) -> Node {
    Node {
        sessions,
        state_dir: state_dir.to_owned(),
        uid_base: 1_800_000_000,
        disk: Wish::Auto,
        way_out: None,
        configures_host: false,
    }
}

fn find<'a>(checks: &'a [Check], name: &str) -> &'a Check {
    checks.iter().find(|check| check.name == name).unwrap()
}

fn this_host_can_run_a_node_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let begun = std::time::Instant::now();
    let checks = examine(&node(&folder.path().join("not/yet"), 20));
    for check in &checks {
        println!(
            "{:?} {}: {} {}",
            check.status,
            check.name,
            check.finding,
            check.advice.as_deref().unwrap_or("")
        );
    }
    println!("examined in {:?}", begun.elapsed());
    assert_ne!(worst(&checks), Status::Fail);
    for name in ["cgroup", "overlay", "user namespaces", "disk limits", "host ids"] {
        assert_eq!(find(&checks, name).status, Status::Ok, "{name}");
    }
    assert!(checks.iter().all(|check| (check.status == Status::Ok) == check.advice.is_none()));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains("doctor"), "{mounts}");
}

fn too_many_sessions_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let checks = examine(&node(folder.path(), 30_000));
    assert_eq!(find(&checks, "pty.max").status, Status::Warn);
    assert!(find(&checks, "pty.max").advice.as_deref().unwrap().starts_with("sysctl kernel.pty.max="));
    let mut far = node(folder.path(), 30_000);
    far.uid_base = 4_000_000_000;
    assert_eq!(find(&examine(&far), "host ids").status, Status::Fail);
}

fn a_folder_that_cannot_be_written_is_a_failure() {
    let checks = examine(&node(Path::new("/proc/sandlot"), 1));
    assert_eq!(find(&checks, "state directory").status, Status::Fail);
    assert_eq!(worst(&checks), Status::Fail);
}
