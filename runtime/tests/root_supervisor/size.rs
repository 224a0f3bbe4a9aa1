//! A hundred sessions: what the supervisor weighs, and how soon it is back.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandlot_runtime::supervisor::protocol::{FromSupervisor, Reply, Request};

use super::node::{Node, PATIENCE, until};

const SESSIONS: u32 = 100;

fn kilobytes(pid: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn a_hundred_sessions_weigh_little_and_their_loss_is_short() {
    let node = Node::start();
    let (mut client, first) = node.greeted();
    let mut open: std::collections::BTreeSet<u64> = (1..=SESSIONS)
        .map(|number| client.send(node.start_request(number, 1, 600_000), &[]).unwrap())
        .collect();
    while !open.is_empty() {
        if let (FromSupervisor::Reply { id, result }, _) = client.receive(Instant::now() + PATIENCE).unwrap()
        {
            assert_eq!(result.unwrap(), Reply::Done);
            open.remove(&id);
        }
    }
    let terminals: Vec<_> = (1..=SESSIONS).map(|number| node.open_terminal(&mut client, number, 1)).collect();
    let (anonymous, resident) = (kilobytes(first.pid, "RssAnon:"), kilobytes(first.pid, "VmRSS:"));
    println!("{SESSIONS} sessions with a terminal each: RssAnon {anonymous} KiB, VmRSS {resident} KiB");
    assert!(anonymous < 2048 && resident < 8192, "RssAnon {anonymous} KiB, VmRSS {resident} KiB");
    assert_eq!(client.call(Request::Reexec, &[]).unwrap().0, Reply::Done);
    let (anonymous, resident) = (kilobytes(first.pid, "RssAnon:"), kilobytes(first.pid, "VmRSS:"));
    println!("after a re-exec: RssAnon {anonymous} KiB, VmRSS {resident} KiB");
    assert!(anonymous < 2048 && resident < 8192, "RssAnon {anonymous} KiB, VmRSS {resident} KiB");
    let killed = Instant::now();
    kill(Pid::from_raw(first.pid.cast_signed()), Signal::SIGKILL).unwrap();
    let (mut client, second) = node.greeted();
    let took = killed.elapsed();
    println!("ready again {took:?} after the kill");
    assert!(took < Duration::from_secs(2), "ready again after {took:?}");
    assert_ne!(first.epoch, second.epoch);
    drop(terminals);
    until("the old sessions are cleaned up", || match client.call(Request::Facts, &[]).unwrap().0 {
        Reply::Facts(facts) => facts.sessions == 0,
        other => panic!("{other:?}"),
    });
    println!("clean {:?} after the kill", killed.elapsed());
    assert_eq!(node.session_processes(), 0);
}
