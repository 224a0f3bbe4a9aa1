//! The supervisor's program is replaced under load: no session, byte, exit code, client or event is lost.

use std::fs;

use sandlot_runtime::supervisor::client::ClientError;
use sandlot_runtime::supervisor::name::TerminalNumber;
use sandlot_runtime::supervisor::protocol::{Event, RefusalKind, Reply, Request};

use super::node::{Node, end, read_until, session, type_and_read, wait_for};

/// Puts a new file at the program's path, as an installation does.
fn install(node: &Node, bytes: &[u8]) {
    use std::os::unix::fs::PermissionsExt;
    let path = node.folder.path().join("sandlot-supervisor");
    let beside = path.with_extension("new");
    fs::write(&beside, bytes).unwrap();
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(beside, path).unwrap();
}

#[test]
fn a_new_program_takes_over_everything() {
    let node = Node::start();
    let (mut client, first) = node.greeted();
    for number in 1..=5 {
        node.start_session(&mut client, number, 1);
    }
    let terminals: Vec<_> = (1..=5).map(|number| node.open_terminal(&mut client, number, 1)).collect();
    let counting = "i=0; while [ $i -lt 20000 ]; do echo line-$i; i=$((i+1)); done; exit 5\n";
    for (ptmx, _) in &terminals {
        nix::unistd::write(ptmx, counting.as_bytes()).unwrap();
    }
    let before = node.settled_descriptors(first.pid);
    let program = fs::read(node.folder.path().join("sandlot-supervisor")).unwrap();
    for _ in 0..3 {
        install(&node, &program);
        assert_eq!(client.call(Request::Reexec, &[]).unwrap().0, Reply::Done);
    }
    let (_, same) = node.greeted();
    assert_eq!(first, same);
    node.until_descriptors(first.pid, &before);
    for (ptmx, _) in &terminals {
        let output = read_until(ptmx, "line-19999\r\n");
        let lines: Vec<&str> = output.lines().filter(|line| line.starts_with("line-")).collect();
        assert!((0..20_000).map(|n| format!("line-{n}")).eq(lines.iter().map(|line| line.to_string())));
    }
    for _ in 0..5 {
        let status = wait_for(&mut client, |event| match event {
            Event::TerminalEnded { status, .. } => Some(*status),
            _ => None,
        });
        assert_eq!(status.code, Some(5));
    }
    let take = Request::TakeTerminal { session: session(3), terminal: TerminalNumber(1) };
    assert_eq!(client.call(take, &[]).unwrap().1.len(), 2);
    for number in 1..=5 {
        end(&mut client, number);
    }
}

#[test]
fn a_program_that_cannot_start_changes_nothing() {
    let node = Node::start();
    let (mut client, first) = node.greeted();
    node.start_session(&mut client, 1, 1);
    let (ptmx, _ring) = node.open_terminal(&mut client, 1, 1);
    let program = fs::read(node.folder.path().join("sandlot-supervisor")).unwrap();
    for broken in [&b"no program"[..], b"#!/bin/false\n", &program[..program.len() / 16]] {
        install(&node, broken);
        match client.call(Request::Reexec, &[]) {
            Err(ClientError::Refused(refusal)) => assert_eq!(refusal.kind, RefusalKind::Failed),
            other => panic!("{other:?}"),
        }
        type_and_read(&ptmx, "echo al''ive\n", "alive");
    }
    let (_, same) = node.greeted();
    assert_eq!(first, same);
    install(&node, &program);
    assert_eq!(client.call(Request::Reexec, &[]).unwrap().0, Reply::Done);
    type_and_read(&ptmx, "echo sti''ll\n", "still");
}
