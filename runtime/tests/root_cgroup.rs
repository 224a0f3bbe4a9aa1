//! Control groups on the real kernel: needs root.

#![expect(clippy::unwrap_used, reason = "a test may panic, also in its fixtures")]

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollTimeout, poll};
use std::os::fd::AsFd;

use sandlot_runtime::cgroup::{Instance, LeafName, Removal, Role, Tree};
use sandlot_runtime::supervisor::name::{ExecNumber, InstanceIndex, SessionNumber};
use sandlot_runtime::supervisor::protocol::Limits;

/// A tree of its own for each test; the drop fails the test when something is left.
struct Fixture {
    parent: String,
    tree: Tree,
}

impl Fixture {
    fn new(name: &str) -> Self {
        let parent = format!("sandlot-test-{}-{name}", std::process::id());
        let tree = Tree::open(&parent).unwrap();
        Self { parent, tree }
    }

    fn instance(&self) -> Instance {
        self.tree.create_instance(session(7), index(0), &limits(), None).unwrap()
    }

    fn end(&self) {
        self.tree.kill_session(session(7)).unwrap();
        until("the session is empty", || self.tree.is_session_empty(session(7)).unwrap());
        until("the session is removed", || self.tree.remove_session(session(7)).unwrap() == Removal::Gone);
        assert_eq!(self.tree.sessions().unwrap(), []);
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        until("the tree is removed", || Tree::remove(&self.parent).unwrap() == Removal::Gone);
    }
}

fn session(number: u32) -> SessionNumber {
    SessionNumber::try_from(number).unwrap()
}

fn index(number: u8) -> InstanceIndex {
    InstanceIndex::try_from(number).unwrap()
}

fn limits() -> Limits {
    Limits {
        memory_bytes: 64 << 20,
        swap_bytes: 0,
        cpu_millis: 500,
        pids: 50,
        disk_bytes: 1 << 30,
        io_bytes_per_second: None,
    }
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < deadline, "not within 10 s: {what}");
        std::thread::yield_now();
    }
}

#[expect(clippy::disallowed_methods, reason = "tests may start programs")]
fn run(script: &str) -> Child {
    // The first line read from the pipe says that it may go on.
    Command::new("sh")
        .arg("-c")
        .arg(format!("read go; {script}"))
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap()
}

fn go(child: &mut Child) {
    use std::io::Write;
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
}

#[test]
fn an_instance_lives_and_goes() {
    let fixture = Fixture::new("life");
    let instance = fixture.instance();
    let leaf = instance.leaf(LeafName::Machine).unwrap();
    let mut child = run("sleep 1000 & sleep 1000 & wait");
    leaf.add(child.id() as i32).unwrap();
    go(&mut child);
    until("three processes", || instance.usage().unwrap().pids == 3);
    assert!(!leaf.is_empty().unwrap());
    assert_eq!(fixture.tree.remove_session(session(7)).unwrap(), Removal::Busy);
    assert_eq!(fixture.tree.sessions().unwrap(), [session(7)]);
    assert!(instance.usage().unwrap().memory_bytes > 0);
    instance.set_frozen(true).unwrap();
    instance.set_frozen(false).unwrap();
    instance.kill().unwrap();
    child.wait().unwrap();
    until("the instance is empty", || instance.is_empty().unwrap());
    fixture.end();
}

#[test]
fn every_step_may_be_repeated() {
    let fixture = Fixture::new("again");
    let again = Tree::open(&fixture.parent).unwrap();
    let first = fixture.instance();
    first.leaf(LeafName::Machine).unwrap();
    let second = again.create_instance(session(7), index(0), &limits(), None).unwrap();
    second.leaf(LeafName::Machine).unwrap();
    let more = Limits { memory_bytes: 128 << 20, ..limits() };
    second.set_limits(&more, None).unwrap();
    second.set_limits(&limits(), None).unwrap();
    assert!(again.open_instance(session(7), index(0)).unwrap().is_some());
    assert!(again.open_instance(session(7), index(1)).unwrap().is_none());
    fixture.end();
    fixture.end();
    assert_eq!(again.remove_instance(session(7), index(0)).unwrap(), Removal::Gone);
}

#[test]
fn an_exec_is_killed_alone() {
    let fixture = Fixture::new("exec");
    let instance = fixture.instance();
    let machine = instance.leaf(LeafName::Machine).unwrap();
    let exec = instance.leaf(LeafName::Exec(ExecNumber(3))).unwrap();
    let mut stays = run("exec sleep 1000");
    let mut dies = run("sleep 1000 & sleep 1000");
    machine.add(stays.id() as i32).unwrap();
    exec.add(dies.id() as i32).unwrap();
    go(&mut stays);
    go(&mut dies);
    exec.kill().unwrap();
    dies.wait().unwrap();
    until("the exec is empty", || exec.is_empty().unwrap());
    until("its leaf is removed", || {
        instance.remove_leaf(LeafName::Exec(ExecNumber(3))).unwrap() == Removal::Gone
    });
    assert!(!machine.is_empty().unwrap());
    assert!(stays.try_wait().unwrap().is_none());
    instance.kill().unwrap();
    stays.wait().unwrap();
    fixture.end();
}

#[test]
fn a_memory_bomb_kills_the_guilty_process_only_and_tells() {
    let fixture = Fixture::new("oom");
    let instance = fixture.instance();
    let leaf = instance.leaf(LeafName::Machine).unwrap();
    let mut notice = instance.oom_notice().unwrap();
    let mut bystander = run("exec sleep 1000");
    let mut bomb = run("exec tail /dev/zero");
    leaf.add(bystander.id() as i32).unwrap();
    leaf.add(bomb.id() as i32).unwrap();
    assert_eq!(instance.oom_kills().unwrap(), 0);
    go(&mut bystander);
    go(&mut bomb);
    let mut wait = [PollFd::new(notice.as_fd(), notice.poll_flags())];
    assert_eq!(poll(&mut wait, PollTimeout::from(10_000u16)).unwrap(), 1);
    assert!(!bomb.wait().unwrap().success());
    notice.acknowledge().unwrap();
    until("the kill is counted", || instance.oom_kills().unwrap() == 1);
    assert!(bystander.try_wait().unwrap().is_none());
    instance.kill().unwrap();
    bystander.wait().unwrap();
    fixture.end();
}

#[test]
fn a_fork_bomb_stays_inside() {
    let fixture = Fixture::new("forks");
    let instance = fixture.instance();
    let leaf = instance.leaf(LeafName::Machine).unwrap();
    let mut bomb = run("b() { b | b & }; b 2>/dev/null; sleep 1000");
    leaf.add(bomb.id() as i32).unwrap();
    go(&mut bomb);
    until("many processes", || instance.usage().unwrap().pids > 10);
    assert!(instance.usage().unwrap().pids <= 50);
    until("all are dead", || {
        instance.kill().unwrap();
        instance.is_empty().unwrap()
    });
    bomb.wait().unwrap();
    fixture.end();
}

#[test]
fn a_busy_loop_gets_its_share_only() {
    let fixture = Fixture::new("cpu");
    let instance = fixture
        .tree
        .create_instance(session(7), index(0), &Limits { cpu_millis: 200, ..limits() }, None)
        .unwrap();
    let leaf = instance.leaf(LeafName::Machine).unwrap();
    let mut busy = run("while :; do :; done");
    leaf.add(busy.id() as i32).unwrap();
    let before = instance.usage().unwrap().cpu_usec;
    let begun = Instant::now();
    go(&mut busy);
    until("a second is over", || begun.elapsed() > Duration::from_secs(1));
    let used = instance.usage().unwrap().cpu_usec - before;
    let share = used as f64 / begun.elapsed().as_micros() as f64;
    // A fifth, with room for the period that was begun.
    assert!(share < 0.35, "{share}");
    instance.kill().unwrap();
    busy.wait().unwrap();
    fixture.end();
}

#[test]
fn direct_writes_are_slowed_down() {
    use std::os::unix::fs::MetadataExt;
    let fixture = Fixture::new("io");
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let device = sandlot_runtime::disk::device_below(folder.path());
    let Some(device) = device.filter(|_| std::fs::metadata(folder.path()).is_ok_and(|m| m.dev() != 0)) else {
        return;
    };
    let slow = Limits { io_bytes_per_second: Some(2 << 20), ..limits() };
    let instance = fixture.tree.create_instance(session(7), index(0), &slow, Some(device)).unwrap();
    let leaf = instance.leaf(LeafName::Machine).unwrap();
    let file = folder.path().join("file").display().to_string();
    let mut writer =
        run(&format!("exec dd if=/dev/zero of={file} bs=256k count=12 oflag=direct 2>/dev/null"));
    leaf.add(writer.id() as i32).unwrap();
    let begun = Instant::now();
    go(&mut writer);
    assert!(writer.wait().unwrap().success());
    // 3 MiB at 2 MiB a second.
    assert!(begun.elapsed() > Duration::from_millis(900), "{:?}", begun.elapsed());
    fixture.end();
}

#[test]
fn devices_beyond_the_list_are_refused() {
    let fixture = Fixture::new("devices");
    let instance = fixture.instance();
    let leaf = instance.leaf(LeafName::Machine).unwrap();
    // Root may open both, but for the control group.
    let mut child = run(
        "exec 3</dev/zero && exec 4>/dev/null || exit 1; (exec 5</dev/loop-control) 2>/dev/null && exit 2; exit 7",
    );
    leaf.add(child.id() as i32).unwrap();
    assert!(std::fs::File::open("/dev/loop-control").is_ok(), "the test needs a device that root may open");
    go(&mut child);
    assert_eq!(child.wait().unwrap().code(), Some(7));
    fixture.end();
}

#[test]
fn our_own_processes_go_to_their_leaf() {
    let fixture = Fixture::new("own");
    let mut child = run("exec sleep 1000");
    fixture.tree.adopt(Role::Serve, child.id() as i32).unwrap();
    let groups = std::fs::read_to_string(format!("/proc/{}/cgroup", child.id())).unwrap();
    assert!(groups.contains(&format!("/{}/serve", fixture.parent)), "{groups}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_parent_must_be_a_plain_path() {
    for bad in ["", "/", "a//b", "../a", "a/.", "/a"] {
        assert!(Tree::open(bad).is_err(), "{bad}");
    }
}
