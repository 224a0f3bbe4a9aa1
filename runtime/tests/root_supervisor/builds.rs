//! Machines for steps of a Dockerfile: what they mount, what they leave, and whose they are.

use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::{AsFd, BorrowedFd};

use sandlot_runtime::supervisor::client::{Client, ClientError};
use sandlot_runtime::supervisor::name::{ExecNumber, InstanceIndex, SessionNumber};
use sandlot_runtime::supervisor::protocol::{
    BuildMount, BuildNetwork, CacheSharing, EndReason, Event, FromSupervisor, Machine, RefusalKind, Reply,
    Request,
};
use tar::EntryType;

use crate::archives::{AS_IT_IS, add, kind, lines, tar};
use crate::node::{Node, until};

fn request(machine: Machine, mounts: &[BuildMount], network: BuildNetwork) -> Request {
    Request::StartBuild { machine, mounts: mounts.to_vec(), network }
}

fn try_start(
    client: &mut Client,
    request: Request,
    secrets: &[BorrowedFd<'_>],
) -> Result<SessionNumber, ClientError> {
    match client.call(request, secrets)?.0 {
        Reply::Build { build } => Ok(build),
        other => panic!("{other:?}"),
    }
}

fn start(
    node: &Node,
    client: &mut Client,
    mounts: &[BuildMount],
    secrets: &[BorrowedFd<'_>],
) -> SessionNumber {
    let request = request(node.machine(0), mounts, BuildNetwork::None);
    try_start(client, request, secrets).unwrap_or_else(|error| panic!("{error}\n{}", node.log()))
}

fn end(client: &mut Client, build: SessionNumber) {
    let request = Request::EndSession { session: build, reason: EndReason::Closed };
    assert_eq!(client.call(request, &[]).unwrap().0, Reply::Done);
}

fn run(node: &Node, client: &mut Client, build: SessionNumber, exec: u32, script: &str) -> String {
    let (output, status) = node.run(client, build.get(), exec, &["sh", "-c", &format!("({script}) 2>&1")]);
    assert_eq!(status.code, Some(0), "{output}");
    output
}

fn diff(client: &mut Client, build: SessionNumber) -> Vec<String> {
    let mut file = tempfile::tempfile().unwrap();
    let instance = InstanceIndex::try_from(0).unwrap();
    let request = Request::Diff { session: build, instance, clamp_unix: Some(0) };
    assert_eq!(client.call(request, &[file.as_fd()]).unwrap().0, Reply::Done);
    lines(&mut file)
}

fn cache(sharing: CacheSharing) -> BuildMount {
    BuildMount::Cache {
        target: "/cache".into(),
        id: "a/../name of any kind".into(),
        scope: "s".into(),
        mode: 0o711,
        uid: 5,
        gid: 6,
        sharing,
    }
}

fn content(text: &str) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.rewind().unwrap();
    file
}

#[test]
fn a_build_is_its_clients_own_and_no_session() {
    let node = Node::start();
    let (mut client, welcome) = node.greeted();
    let before = node.settled_descriptors(welcome.pid);
    let build = start(&node, &mut client, &[], &[]);
    run(
        &node,
        &mut client,
        build,
        1,
        "echo changed > /changed; echo 1.2.3.4 name >> /etc/hosts; cat /changed",
    );
    assert_eq!(diff(&mut client, build), ["0 644 0:0 changed \"changed\\n\""]);
    let Reply::Sessions { sessions, .. } = client.call(Request::Sessions { after: None }, &[]).unwrap().0
    else {
        panic!("no sessions")
    };
    assert_eq!(sessions, []);
    let mut other = node.client();
    let stats = Request::Stats { session: build };
    assert_eq!(kind(&other.call(stats.clone(), &[]).unwrap_err()), RefusalKind::Unknown);
    assert!(client.call(stats, &[]).is_ok());
    let deadline = Request::SetDeadline { session: build, deadline_unix_ms: 0 };
    assert_eq!(kind(&client.call(deadline, &[]).unwrap_err()), RefusalKind::Invalid);
    // Nobody else hears of it.
    run(&node, &mut client, build, 2, "true");
    assert_eq!(other.next_event(std::time::Duration::from_millis(50)).unwrap(), None);
    end(&mut client, build);
    drop(other);
    node.until_descriptors(welcome.pid, &before);
}

#[test]
fn a_build_outlives_a_new_supervisor_program() {
    let node = Node::start();
    let mut client = node.client();
    let build = start(&node, &mut client, &[], &[]);
    let script = "echo before > /file; until test -e /go; do usleep 1000; done; cat /file; exit 3";
    let pipes = node.exec(&mut client, build.get(), 1, &["sh", "-c", script]);
    assert_eq!(node.client().call(Request::Reexec, &[]).unwrap().0, Reply::Done);
    run(&node, &mut client, build, 2, "echo > /go");
    let status = crate::wait_for(&mut client, |event| match event {
        Event::ExecEnded { exec: ExecNumber(1), status, .. } => Some(*status),
        _ => None,
    });
    assert_eq!(status.code, Some(3));
    drop(pipes);
    let changed = diff(&mut client, build);
    assert!(changed.iter().any(|line| line.contains("file \"before")), "{changed:?}");
    drop(client);
    until("the build is gone", || node.session_processes() == 0);
}

#[test]
fn a_build_ends_with_its_client() {
    let node = Node::start();
    let mut client = node.client();
    let build = start(&node, &mut client, &[], &[]);
    let pipes = node.exec(&mut client, build.get(), 1, &["sleep", "1000"]);
    drop(client);
    let folder = node.file.sessions_dir().join(build.to_string());
    until("the build is gone", || node.session_processes() == 0 && !folder.exists());
    drop(pipes);
}

#[test]
fn mounts_are_there_and_not_in_the_layer() {
    let node = Node::start();
    let mut client = node.client();
    let secret = content("hush");
    let mounts = [
        BuildMount::Tmpfs { target: "/made/tmp".into(), size_bytes: 1 << 20 },
        BuildMount::Bind { target: "/other".into(), layers: vec![node.layer.clone()], subpath: "bin".into() },
        cache(CacheSharing::Shared),
        BuildMount::Secret { target: "/run/secrets/key".into(), mode: 0o400, uid: 7, gid: 8 },
    ];
    let build = start(&node, &mut client, &mounts, &[secret.as_fd()]);
    let look = "cat /run/secrets/key; stat -c ' %u:%g:%a' /run/secrets/key /cache; test -e /other/sh; \
                echo w > /other/w; echo w > /cache/w; echo w > /made/tmp/w; df -k /made/tmp | tail -n 1 | \
                { read a b c; echo $b; }";
    let output = run(&node, &mut client, build, 1, look);
    assert_eq!(output, "hush 7:8:400\n 5:6:711\n1024\n");
    assert_eq!(diff(&mut client, build), Vec::<String>::new());
    end(&mut client, build);
    // The next build finds the cache, and nothing of the rest.
    let build = start(&node, &mut client, &mounts[1..3], &[]);
    let output = run(
        &node,
        &mut client,
        build,
        1,
        "ls /cache; stat -c %u /cache/w; ls /other | grep -c '^w$' || true",
    );
    assert_eq!(output, "w\n0\n0\n");
    end(&mut client, build);
}

#[test]
fn caches_are_shared_as_they_are_asked_for() {
    let node = Node::start();
    let mut client = node.client();
    let locked = start(&node, &mut client, &[cache(CacheSharing::Locked)], &[]);
    run(&node, &mut client, locked, 1, "echo 0 > /cache/slot");
    let own = start(&node, &mut client, &[cache(CacheSharing::Private)], &[]);
    assert_eq!(run(&node, &mut client, own, 1, "ls /cache"), "");
    let waits = request(node.machine(0), &[cache(CacheSharing::Locked)], BuildNetwork::None);
    let call = client.send(waits, &[]).unwrap();
    end(&mut client, locked);
    let limit = std::time::Instant::now() + crate::node::PATIENCE;
    let next = loop {
        match client.receive(limit).unwrap().0 {
            FromSupervisor::Reply { id, result } if id == call => match result.unwrap() {
                Reply::Build { build } => break build,
                other => panic!("{other:?}"),
            },
            _ => {}
        }
    };
    assert_eq!(run(&node, &mut client, next, 1, "cat /cache/slot"), "0\n");
}

#[test]
fn a_build_may_begin_with_nothing() {
    let node = Node::start();
    let mut client = node.client();
    let empty = Machine { layers: Vec::new(), ..node.machine(0) };
    let build = try_start(&mut client, request(empty, &[], BuildNetwork::None), &[]).unwrap();
    assert_eq!(diff(&mut client, build), Vec::<String>::new());
    let files = tar(|builder| {
        add(builder, EntryType::Regular, "etc/hosts", b"the user's own");
        add(builder, EntryType::Regular, "app/file", b"x");
    });
    let instance = InstanceIndex::try_from(0).unwrap();
    let put = Request::PutArchive { session: build, instance, path: "/".into(), options: AS_IT_IS };
    assert_eq!(client.call(put, &[files.as_fd()]).unwrap().0, Reply::Done);
    let found = diff(&mut client, build);
    assert_eq!(
        found,
        [
            "5 755 0:0 app/ \"\"",
            "0 640 1234:42 app/file \"x\"",
            "5 755 0:0 etc/ \"\"",
            "0 640 1234:42 etc/hosts \"the user's own\"",
        ]
    );
}

#[test]
fn root_may_let_a_build_use_the_hosts_network() {
    let node = Node::start();
    let mut client = node.client();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = std::thread::spawn(move || {
        listener.accept().unwrap().0.write_all(b"reached").unwrap();
    });
    let build = try_start(&mut client, request(node.machine(0), &[], BuildNetwork::Host), &[])
        .unwrap_or_else(|error| panic!("{error}\n{}", node.log()));
    let output = run(&node, &mut client, build, 1, &format!("nc 127.0.0.1 {port} < /dev/null"));
    assert_eq!(output, "reached");
    serve.join().unwrap();
    // It has no power over it.
    let output = run(&node, &mut client, build, 2, "ip link set lo down 2>&1 || echo refused");
    assert!(output.contains("refused"), "{output}");
    assert_eq!(diff(&mut client, build), Vec::<String>::new());
}

#[test]
fn what_makes_no_sense_is_refused() {
    let node = Node::start();
    let mut client = node.client();
    let bad = [
        BuildMount::Tmpfs { target: "/".into(), size_bytes: 1 },
        BuildMount::Tmpfs { target: "relative".into(), size_bytes: 1 },
        BuildMount::Bind { target: "/x".into(), layers: Vec::new(), subpath: String::new() },
        BuildMount::Cache {
            target: "/x".into(),
            id: String::new(),
            scope: "s".into(),
            mode: 0,
            uid: 0,
            gid: 0,
            sharing: CacheSharing::Shared,
        },
    ];
    for mount in bad {
        let call = request(node.machine(0), std::slice::from_ref(&mount), BuildNetwork::None);
        assert_eq!(kind(&try_start(&mut client, call, &[]).unwrap_err()), RefusalKind::Invalid, "{mount:?}");
    }
    let secret = BuildMount::Secret { target: "/s".into(), mode: 0o400, uid: 0, gid: 0 };
    let long = content(&"x".repeat(512 * 1024 + 1));
    let call = request(node.machine(0), std::slice::from_ref(&secret), BuildNetwork::None);
    let error = try_start(&mut client, call, &[long.as_fd()]).unwrap_err();
    assert!(error.to_string().contains("more than 524288 bytes"), "{error}");
    let missing =
        BuildMount::Bind { target: "/x".into(), layers: vec![node.layer.clone()], subpath: "nope".into() };
    let call = request(node.machine(0), &[missing], BuildNetwork::None);
    let error = try_start(&mut client, call, &[]).unwrap_err();
    assert!(error.to_string().contains("`nope`"), "{error}");
    assert_eq!(std::fs::read_dir(node.file.sessions_dir()).unwrap().count(), 0);
}
