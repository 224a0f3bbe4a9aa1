//! Whatever a client says, the supervisor answers the others, opens nothing for it and loses nothing.

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::Command as Program;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sandlot_runtime::supervisor::client::{Client, ClientError};
use sandlot_runtime::supervisor::codec;
use sandlot_runtime::supervisor::name::{DiffId, ExecNumber, InstanceIndex, TerminalNumber};
use sandlot_runtime::supervisor::protocol::{
    Call, Command, EndReason, FromSupervisor, MAX_MESSAGE_BYTES, RefusalKind, Reply, Request, Winsize,
};
use sandlot_runtime::supervisor::socket::Socket;
use sandlot_runtime::sys::packet;

use super::node::{Node, PATIENCE, session, until};

pub(crate) fn kind<T: std::fmt::Debug>(result: Result<T, ClientError>) -> RefusalKind {
    match result {
        Err(ClientError::Refused(refusal)) => refusal.kind,
        other => panic!("{other:?}"),
    }
}

fn connect(node: &Node) -> Socket {
    Socket::connect(&node.file.socket_path()).unwrap()
}

fn is_closed(socket: &Socket) -> bool {
    loop {
        match socket.try_recv() {
            Ok(_) => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
}

#[test]
fn nonsense_is_refused_and_then_dropped() {
    let node = Node::start();
    let (mut good, welcome) = node.greeted();
    let before = node.settled_descriptors(welcome.pid);
    let file = tempfile::tempfile().unwrap();
    let nine = vec![file.as_fd(); 9];
    let nonsense: [&[u8]; 6] =
        [b"\0", b"{}", b"[[[[[[", b"\xff\xfe", b"{\"id\":1,\"request\":{\"request\":\"x\"}}", &[b'['; 4096]];
    for bytes in nonsense {
        let socket = connect(&node);
        until("it is dropped", || {
            // Its queue may be full, or the supervisor may have closed it, which is what is waited for.
            let _unsent = socket.try_send(bytes, &[file.as_fd()]);
            let _unsent = packet::send(socket.as_fd(), &vec![b'1'; MAX_MESSAGE_BYTES + 1], &nine);
            let _unsent = packet::send(socket.as_fd(), b"2", &nine);
            is_closed(&socket)
        });
    }
    let empty = connect(&node);
    packet::send(empty.as_fd(), b"", &nine).unwrap();
    until("it is dropped", || is_closed(&empty));
    assert!(matches!(good.call(Request::Facts, &[]).unwrap().0, Reply::Facts(_)));
    node.until_descriptors(welcome.pid, &before);
}

#[test]
fn requests_are_held_to_order_and_descriptors() {
    let node = Node::start();
    let mut client = Client::connect(&node.file.socket_path()).unwrap();
    assert_eq!(kind(client.call(Request::Facts, &[])), RefusalKind::Invalid);
    client.hello().unwrap();
    assert_eq!(kind(client.hello()), RefusalKind::Invalid);
    let file = tempfile::tempfile().unwrap();
    let keep = || Request::KeepListener { name: "x".into() };
    assert_eq!(kind(client.call(keep(), &[])), RefusalKind::Invalid);
    assert_eq!(kind(client.call(keep(), &[file.as_fd()])), RefusalKind::Invalid);
    assert_eq!(kind(client.call(Request::Facts, &[file.as_fd()])), RefusalKind::Invalid);
    let unpack = Request::UnpackLayer { layer: node.layer.clone() };
    let folder = File::open("/proc").unwrap();
    assert_eq!(kind(client.call(unpack, &[folder.as_fd()])), RefusalKind::Invalid);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    client.call(keep(), &[listener.as_fd()]).unwrap();
    let (_, descriptors) = client.call(Request::TakeListener { name: "x".into() }, &[]).unwrap();
    let taken = std::net::TcpListener::from(descriptors.into_iter().next().unwrap());
    assert_eq!(taken.local_addr().unwrap(), listener.local_addr().unwrap());
}

#[test]
fn what_is_above_the_ceiling_is_refused_by_name() {
    let node = Node::start();
    let mut client = node.client();
    let Request::StartSession { session, deadline_unix_ms, instances, network } =
        node.start_request(1, 1, 60_000)
    else {
        panic!("not a start")
    };
    let mut above = instances.clone();
    above[0].limits.memory_bytes = node.file.ceiling.memory_bytes + 1;
    let mut no_layer = instances.clone();
    no_layer[0].layers.clear();
    let mut misplaced = instances.clone();
    misplaced[0].index = InstanceIndex::try_from(3).unwrap();
    let mut unknown_layer = instances;
    unknown_layer[0].layers = vec![DiffId::try_from("0".repeat(64)).unwrap()];
    for (instances, wanted) in [
        (above, RefusalKind::Invalid),
        (no_layer, RefusalKind::Invalid),
        (misplaced, RefusalKind::Invalid),
        (Vec::new(), RefusalKind::Invalid),
        (unknown_layer, RefusalKind::Failed),
    ] {
        let network = network.clone();
        let request = Request::StartSession { session, deadline_unix_ms, instances, network };
        assert_eq!(kind(client.call(request, &[])), wanted);
    }
    assert_eq!(kind(node.try_start(&mut client, 201, 1)), RefusalKind::Invalid);
    node.start_session(&mut client, 1, 1);
    assert_eq!(kind(node.try_start(&mut client, 1, 1)), RefusalKind::Exists);
    assert_eq!(node.session_processes(), 1);
}

#[test]
fn a_flood_and_a_client_that_never_reads_starve_nobody() {
    let node = Node::start();
    let mut good = node.client();
    node.start_session(&mut good, 1, 1);
    let facts = codec::encode(&Call { id: 7, request: Request::Facts }).unwrap();
    let hello = codec::encode(&Call { id: 1, request: Request::Hello { version: 2 } }).unwrap();
    let floods: Vec<Socket> = (0..10).map(|_| connect(&node)).collect();
    floods.iter().for_each(|flood| flood.try_send(&hello, &[]).unwrap());
    let end = Instant::now() + Duration::from_secs(1);
    let mut slowest = Duration::ZERO;
    while Instant::now() < end {
        for flood in &floods {
            // Its queue is full most of the time: that is the flood.
            while flood.try_send(&facts, &[]).is_ok() {}
        }
        let asked = Instant::now();
        good.call(Request::Facts, &[]).unwrap();
        slowest = slowest.max(asked.elapsed());
    }
    assert!(slowest < Duration::from_millis(250), "an answer took {slowest:?}");
    let half_open: Vec<_> = (0..100).map(|_| Socket::connect(&node.file.socket_path())).collect();
    good.call(Request::Facts, &[]).unwrap();
    drop((floods, half_open));
    node.client();
}

#[test]
fn only_root_and_serve_connect_and_only_root_ends_the_node() {
    let node = Node::start();
    let serve = node.file.serve_uid;
    // Others cannot even open the socket.
    for (uid, wanted) in [(serve, "denied denied denied"), (serve - 1, "unreachable")] {
        assert_eq!(as_user(&node, uid), wanted);
    }
    node.client();
}

/// Runs [`stranger`] as another user; returns what it saw.
fn as_user(node: &Node, uid: u32) -> String {
    // The program must be reachable for that user.
    let program = node.folder.path().join("client");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let output = Program::new(program)
        .args(["--exact", "hostile::stranger", "--ignored", "--nocapture"])
        .env("SANDLOT_TEST_SOCKET", node.file.socket_path())
        .uid(uid)
        .gid(uid)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| line.split_once("saw: ").map(|(_, seen)| seen.to_owned()));
    line.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
#[ignore = "only_root_and_serve_connect_and_only_root_ends_the_node runs it as another user"]
fn stranger() {
    let path = std::env::var_os("SANDLOT_TEST_SOCKET").unwrap();
    let Ok(mut client) = Client::connect(path.as_ref()) else {
        return println!("saw: unreachable");
    };
    client.hello().unwrap();
    let kinds =
        [Request::Guard, Request::Reexec, Request::Down].map(|request| kind(client.call(request, &[])));
    println!("saw: {}", kinds.map(|kind| format!("{kind:?}").to_lowercase()).join(" "));
}

fn requests() -> impl Strategy<Value = Request> {
    let number = || (1u32..4).prop_map(session);
    let instance = || (0u8..3).prop_map(|index| InstanceIndex::try_from(index).unwrap());
    let terminal = || (0u32..4).prop_map(TerminalNumber);
    let exec = || (0u32..4).prop_map(ExecNumber);
    let command = prop::collection::vec("(true|false|sleep|[a-z/]{0,5}|10)", 0..3)
        .prop_map(|argv| Command { argv, ..Command::default() });
    let size = (0u16..100, 1u16..1100).prop_map(|(rows, cols)| Winsize { rows, cols });
    prop_oneof![
        Just(Request::Facts),
        number().prop_map(|session| Request::Stats { session }),
        prop::option::of(number()).prop_map(|after| Request::Sessions { after }),
        (number(), instance()).prop_map(|(session, instance)| Request::RebootInstance { session, instance }),
        (number(), any::<u64>()).prop_map(|(session, deadline_unix_ms)| Request::SetDeadline {
            session,
            // Some have passed.
            deadline_unix_ms: super::node::unix_ms().wrapping_add(deadline_unix_ms % 1000),
        }),
        number().prop_map(|session| Request::EndSession { session, reason: EndReason::Closed }),
        number().prop_map(|session| Request::ForgetSession { session }),
        (number(), instance(), terminal(), command.clone(), size).prop_map(
            |(session, instance, terminal, command, size)| Request::OpenTerminal {
                session,
                instance,
                terminal,
                command,
                size
            }
        ),
        (number(), terminal()).prop_map(|(session, terminal)| Request::TakeTerminal { session, terminal }),
        (number(), terminal()).prop_map(|(session, terminal)| Request::HangUpTerminal { session, terminal }),
        (number(), terminal()).prop_map(|(session, terminal)| Request::ForgetTerminal { session, terminal }),
        (number(), instance(), exec(), command).prop_map(|(session, instance, exec, command)| {
            Request::Exec { session, instance, exec, command }
        }),
        (number(), exec()).prop_map(|(session, exec)| Request::KillExec { session, exec }),
        Just(Request::Hello { version: 2 }),
        Just(Request::HaveLayers { layers: Vec::new() }),
        any::<u64>().prop_map(|min_age_seconds| Request::ListLayers { after: None, min_age_seconds }),
    ]
}

/// Requests in any order, without waiting for answers, sessions started in between: every call is answered once, the
/// supervisor lives, and nothing is left when the sessions are ended.
#[test]
fn any_order_of_requests_is_survived() {
    let node = Node::start();
    let (mut client, welcome) = node.greeted();
    let before = node.settled_descriptors(welcome.pid);
    let mut runner = TestRunner::new(Config {
        cases: 12,
        max_shrink_iters: 0,
        failure_persistence: None,
        ..Config::default()
    });
    let orders = prop::collection::vec(prop_oneof![1 => Just(None), 6 => requests().prop_map(Some)], 20..60);
    let client = std::cell::RefCell::new(&mut client);
    runner
        .run(&orders, |order| {
            let mut client = client.borrow_mut();
            let mut open: std::collections::BTreeSet<u64> = std::collections::BTreeSet::new();
            for (place, request) in order.into_iter().enumerate() {
                let number = u32::try_from(place % 3 + 1).unwrap();
                let request = request.unwrap_or_else(|| node.start_request(number, 1, 5_000));
                open.insert(client.send(request, &[]).unwrap());
            }
            while !open.is_empty() {
                if let (FromSupervisor::Reply { id, .. }, _) =
                    client.receive(Instant::now() + PATIENCE).unwrap()
                {
                    prop_assert!(open.remove(&id));
                }
            }
            Ok(())
        })
        .unwrap();
    let mut client = node.client();
    for number in 1..4 {
        let end = Request::EndSession { session: session(number), reason: EndReason::Closed };
        match client.call(end, &[]) {
            Ok(_) | Err(ClientError::Refused(_)) => {}
            Err(error) => panic!("{error}\n{}", node.log()),
        }
        client.call(Request::ForgetSession { session: session(number) }, &[]).unwrap();
    }
    let (mut again, same) = node.greeted();
    assert_eq!(welcome, same);
    again.call(Request::Facts, &[]).unwrap();
    drop((client, again));
    node.until_descriptors(welcome.pid, &before);
    assert_eq!(node.session_processes(), 0);
}
