//! The supervisor and its guardian with real containers on the running kernel. Needs root.
#![expect(clippy::unwrap_used, reason = "a test may panic, also in its fixtures")]

#[path = "root_supervisor/archives.rs"]
mod archives;
#[path = "root_supervisor/builds.rs"]
mod builds;
#[path = "root_supervisor/disks.rs"]
mod disks;
#[path = "root_supervisor/guardian.rs"]
mod guardian;
#[path = "root_supervisor/hostile.rs"]
mod hostile;
#[path = "root_supervisor/latency.rs"]
mod latency;
#[path = "root_supervisor/networks.rs"]
mod networks;
#[path = "root_supervisor/node.rs"]
mod node;
#[path = "root_supervisor/reexec.rs"]
mod reexec;
#[path = "root_supervisor/size.rs"]
mod size;
#[path = "root_supervisor/tls_files.rs"]
mod tls_files;
#[path = "root_supervisor/workbench.rs"]
mod workbench;

use std::os::fd::AsFd;

use node::{Node, end, session, type_and_read, unix_ms, until, wait_for};
use sandlot_runtime::supervisor::name::{InstanceIndex, TerminalNumber};
use sandlot_runtime::supervisor::protocol::{EndReason, Event, ExitStatus, Reply, Request};

#[test]
fn a_session_lives_and_ends_without_a_trace() {
    let node = Node::start();
    let (mut client, welcome) = node.greeted();
    let before = node.settled_descriptors(welcome.pid);
    node.start_session(&mut client, 1, 2);
    let (ptmx, _ring) = node.open_terminal(&mut client, 1, 1);
    assert!(type_and_read(&ptmx, "echo $((40 + 2))-$(hostname)\n", "42-m1").contains("42-m1"));
    nix::unistd::write(&ptmx, b"exit 3\n").unwrap();
    let status = wait_for(&mut client, |event| match event {
        Event::TerminalEnded { terminal: TerminalNumber(1), status, .. } => Some(*status),
        _ => None,
    });
    assert_eq!(status, ExitStatus { code: Some(3), signal: None });
    end(&mut client, 1);
    assert_eq!(node.session_processes(), 0);
    node.until_descriptors(welcome.pid, &before);
}

#[test]
fn an_exec_tells_output_and_exit_code() {
    let node = Node::start();
    let mut client = node.client();
    node.start_session(&mut client, 1, 1);
    let (output, status) = node.run(&mut client, 1, 1, &["sh", "-c", "echo out; exit 7"]);
    assert_eq!((output.as_str(), status), ("out\n", ExitStatus { code: Some(7), signal: None }));
    let (_, status) = node.run(&mut client, 1, 2, &["sh", "-c", "kill -40 $$"]);
    assert_eq!(status, ExitStatus { code: None, signal: Some(40) });
    let pipes = node.exec(&mut client, 1, 3, &["sh", "-c", "sleep 1000 & sleep 1000"]);
    let kill =
        Request::KillExec { session: session(1), exec: sandlot_runtime::supervisor::name::ExecNumber(3) };
    assert_eq!(client.call(kill, &[]).unwrap().0, Reply::Done);
    let status = wait_for(&mut client, |event| match event {
        Event::ExecEnded { exec, status, .. } if exec.0 == 3 => Some(*status),
        _ => None,
    });
    assert_eq!(status.signal, Some(9));
    drop(pipes);
    until("the groups of the execs are gone", || {
        node.group_names(1).iter().all(|name| !name.starts_with("exec"))
    });
    assert!(node.group_names(1).contains(&"machine".to_owned()));
}

#[test]
fn a_kill_at_the_memory_limit_is_told() {
    let node = Node::start();
    let mut client = node.client();
    node.start_session(&mut client, 1, 1);
    let hog = "x=0123456789abcdef; while :; do x=$x$x; done";
    let _pipes = node.exec(&mut client, 1, 1, &["sh", "-c", hog]);
    // In whatever order.
    let (mut kills, mut end) = (0, None);
    while kills == 0 || end.is_none() {
        match wait_for(&mut client, |event| Some(event.clone())) {
            Event::OutOfMemory { kills: told, .. } => kills = told,
            Event::ExecEnded { status, .. } => end = status.signal,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(end, Some(9));
    // Only that process has died.
    assert_eq!(node.run(&mut client, 1, 2, &["echo", "alive"]).0, "alive\n");
    let (reply, _) = client.call(Request::Stats { session: session(1) }, &[]).unwrap();
    let Reply::Stats { instances } = reply else { panic!("{reply:?}") };
    assert!(instances[0].oom_kills >= 1 && instances[0].memory_bytes > 0 && instances[0].pids >= 1);
}

#[test]
fn a_deadline_ends_a_session_without_serve() {
    let node = Node::start();
    let mut client = node.client();
    client.call(node.start_request(1, 1, 300), &[]).unwrap();
    let reason = wait_for(&mut client, |event| match event {
        Event::SessionEnded { reason, .. } => Some(*reason),
        _ => None,
    });
    assert_eq!(reason, EndReason::Expired);
    let (reply, _) = client.call(Request::Sessions { after: None }, &[]).unwrap();
    let Reply::Sessions { sessions, more: false } = reply else { panic!("{reply:?}") };
    assert_eq!((sessions.len(), sessions[0].gone, sessions[0].ended), (1, true, Some(EndReason::Expired)));
    assert!(sessions[0].deadline_unix_ms <= unix_ms());
}

#[test]
fn a_reboot_keeps_the_files() {
    let node = Node::start();
    let mut client = node.client();
    node.start_session(&mut client, 1, 1);
    node.run(&mut client, 1, 1, &["sh", "-c", "echo kept > /root/file"]);
    let (ptmx, _ring) = node.open_terminal(&mut client, 1, 1);
    let reboot =
        Request::RebootInstance { session: session(1), instance: InstanceIndex::try_from(0).unwrap() };
    client.call(reboot, &[]).unwrap_or_else(|error| panic!("{error}\n{}", node.log()));
    wait_for(&mut client, |event| matches!(event, Event::TerminalEnded { .. }).then_some(()));
    drop(ptmx);
    assert_eq!(node.run(&mut client, 1, 2, &["cat", "/root/file"]).0, "kept\n");
}

#[test]
fn a_terminal_outlives_its_client() {
    let node = Node::start();
    let mut client = node.client();
    node.start_session(&mut client, 1, 1);
    let (ptmx, ring) = node.open_terminal(&mut client, 1, 1);
    type_and_read(&ptmx, "X=here; echo set\n", "set\r\n");
    drop((client, ptmx, ring));
    let mut client = node.client();
    let take = Request::TakeTerminal { session: session(1), terminal: TerminalNumber(1) };
    let (reply, descriptors) = client.call(take, &[]).unwrap();
    assert_eq!((reply, descriptors.len()), (Reply::Terminal, 2));
    type_and_read(&descriptors[0], "echo still-$X\n", "still-here");
    let hang_up = Request::HangUpTerminal { session: session(1), terminal: TerminalNumber(1) };
    client.call(hang_up, &[]).unwrap();
    let status = wait_for(&mut client, |event| match event {
        Event::TerminalEnded { status, .. } => Some(*status),
        _ => None,
    });
    assert_eq!(status.signal, Some(1));
    let forget = Request::ForgetTerminal { session: session(1), terminal: TerminalNumber(1) };
    assert_eq!(client.call(forget, &[]).unwrap().0, Reply::Done);
}

#[test]
fn unpacked_layers_are_listed() {
    let node = Node::start();
    let mut client = node.client();
    let mut list = |after, min_age_seconds| {
        let (reply, _) = client.call(Request::ListLayers { after, min_age_seconds }, &[]).unwrap();
        let Reply::Layers { layers } = reply else { panic!("{reply:?}") };
        layers
    };
    let layer = node.layer.clone();
    assert_eq!(list(None, 0), std::slice::from_ref(&layer));
    assert_eq!(list(Some(layer), 0), []);
    assert_eq!(list(None, 3600), []);
}

#[test]
fn several_may_want_the_same_layer() {
    let node = Node::start();
    let mut client = node.client();
    client.call(Request::RemoveLayer { layer: node.layer.clone() }, &[]).unwrap();
    let unpack = || {
        let (tar, layer) = node::tiny();
        node.client().call(Request::UnpackLayer { layer }, &[tar.as_fd()]).map(|(reply, _)| reply)
    };
    std::thread::scope(|scope| {
        let wanting: Vec<_> = (0..8).map(|_| scope.spawn(unpack)).collect();
        for one in wanting {
            assert_eq!(one.join().unwrap().unwrap(), Reply::Done);
        }
    });
    let (reply, _) = client.call(Request::HaveLayers { layers: vec![node.layer.clone()] }, &[]).unwrap();
    assert_eq!(reply, Reply::Layers { layers: vec![node.layer.clone()] });
}

#[test]
fn twenty_at_once_all_start() {
    let node = Node::start();
    let mut client = node.client();
    let ids: Vec<u64> =
        (1..=20).map(|n| client.send(node.start_request(n, 1, 600_000), &[]).unwrap()).collect();
    let mut replies = std::collections::BTreeSet::new();
    let end = std::time::Instant::now() + node::PATIENCE;
    while replies.len() < ids.len() {
        if let (sandlot_runtime::supervisor::protocol::FromSupervisor::Reply { id, result }, _) =
            client.receive(end).unwrap()
        {
            assert_eq!(result.unwrap(), Reply::Done);
            replies.insert(id);
        }
    }
    until("every pid 1 runs", || node.session_processes() == 20);
}
