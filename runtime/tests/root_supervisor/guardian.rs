//! Whoever dies, the node goes on, and nothing of the dead is left.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandlot_runtime::supervisor::client::ClientError;
use sandlot_runtime::supervisor::protocol::{Event, Reply, Request};

use super::node::{Node, type_and_read, until};

fn kill_hard(pid: u32) {
    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).unwrap();
}

fn count_sessions(node: &Node) -> usize {
    match node.client().call(Request::Sessions { after: None }, &[]).unwrap().0 {
        Reply::Sessions { sessions, .. } => sessions.len(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_killed_supervisor_is_replaced_and_leaves_nothing() {
    let node = Node::start();
    let (mut client, first) = node.greeted();
    for number in 1..=10 {
        node.start_session(&mut client, number, 1);
    }
    let (_ptmx, _ring) = node.open_terminal(&mut client, 1, 1);
    let killed = Instant::now();
    kill_hard(first.pid);
    let (mut client_after, second) = node.greeted();
    let took = killed.elapsed();
    assert!(took < Duration::from_secs(2), "ready again after {took:?}");
    assert_ne!((first.epoch, first.pid), (second.epoch, second.pid));
    assert!(matches!(client.call(Request::Facts, &[]), Err(ClientError::Io { .. })));
    assert_eq!(node.session_processes(), 0);
    until("the old sessions are cleaned up", || count_sessions(&node) == 0);
    node.start_session(&mut client_after, 1, 1);
}

#[test]
fn a_killed_guardian_is_replaced_by_the_supervisor() {
    let mut node = Node::start();
    let (mut client, first) = node.greeted();
    node.start_session(&mut client, 1, 1);
    let (ptmx, _ring) = node.open_terminal(&mut client, 1, 1);
    kill_hard(node.guardian.id());
    node.guardian.wait().unwrap();
    until("a stand-in runs", || node.processes().len() == 2);
    type_and_read(&ptmx, "echo al''ive\n", "alive");
    // The stand-in watches a process that is not its child.
    kill_hard(first.pid);
    let (_, second) = node.greeted();
    assert_ne!(first.epoch, second.epoch);
    // Not the guardian's children: whoever reaps orphans on this host takes its time.
    until("no process is left", || node.session_processes() == 0);
    until("the old session is cleaned up", || count_sessions(&node) == 0);
}

#[test]
fn a_guardian_that_leaves_is_followed_by_the_next() {
    let mut node = Node::start();
    let (mut client, first) = node.greeted();
    node.start_session(&mut client, 1, 1);
    let (ptmx, _ring) = node.open_terminal(&mut client, 1, 1);
    kill(Pid::from_raw(node.guardian.id().cast_signed()), Signal::SIGTERM).unwrap();
    assert!(node.guardian.wait().unwrap().success());
    node.guardian = node.start_guardian();
    let guardian = node.guardian.id();
    until("the new one guards", || node.log().contains(&format!("guarded by process {guardian}")));
    until("the stand-in has left", || node.processes().len() == 2);
    type_and_read(&ptmx, "echo al''ive\n", "alive");
    let (_, same) = node.greeted();
    assert_eq!(first, same);
    // One more is one too many.
    assert!(!node.start_guardian().wait().unwrap().success());
    type_and_read(&ptmx, "echo sti''ll\n", "still");
    assert!(!matches!(client.next_event(Duration::ZERO), Ok(Some(Event::TerminalEnded { .. }))));
}
