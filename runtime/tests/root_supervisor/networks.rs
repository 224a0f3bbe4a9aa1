//! Sockets of an instance's own network.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{SockaddrIn, connect, getsockopt, sockopt};
use sandlot_runtime::supervisor::client::Client;
use sandlot_runtime::supervisor::name::InstanceIndex;
use sandlot_runtime::supervisor::protocol::{Network, RefusalKind, Reply, Request, SocketFamily};

use crate::hostile::kind;
use crate::node::{Node, end, session};

fn sockets(client: &mut Client, index: u8, count: u8) -> Vec<OwnedFd> {
    let instance = index.try_into().unwrap();
    let request = Request::OpenSockets { session: session(1), instance, family: SocketFamily::V4, count };
    let (reply, sockets) = client.call(request, &[]).unwrap();
    assert_eq!(reply, Reply::Sockets);
    sockets
}

/// Connects to the loopback of whatever network the socket is in.
fn reach(socket: OwnedFd, port: u16) -> Option<String> {
    use std::os::fd::AsFd;
    // A socket that does not block says at once that it is on its way.
    let _under_way = connect(socket.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, port));
    poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)], PollTimeout::from(5000u16)).unwrap();
    if getsockopt(&socket, sockopt::SocketError).unwrap() != 0 {
        return None;
    }
    let mut stream = TcpStream::from(socket);
    stream.set_nonblocking(false).unwrap();
    stream.write_all(b"GET /hostname HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    Some(text)
}

#[test]
fn sockets_reach_the_loopback_of_their_instance_only() {
    let node = Node::start();
    let mut client = node.client();
    node.start_session(&mut client, 1, 2);
    let server = ["httpd", "-f", "-p", "127.0.0.1:4000", "-h", "/etc"];
    let _pipes = node.exec(&mut client, 1, 1, &server);
    let end_time = std::time::Instant::now() + crate::node::PATIENCE;
    let mut answer = None;
    while answer.is_none() && std::time::Instant::now() < end_time {
        answer = sockets(&mut client, 0, 1).into_iter().find_map(|socket| reach(socket, 4000));
    }
    assert!(answer.is_some_and(|answer| answer.ends_with("m1\n")));
    let many = sockets(&mut client, 1, 64);
    assert_eq!(many.len(), 64);
    assert!(
        many.into_iter().all(|socket| reach(socket, 4000).is_none()),
        "the other instance listens nowhere"
    );
    end(&mut client, 1);
}

#[test]
fn cpu_time_and_listeners_are_told() {
    let node = Node::start();
    let mut client = node.client();
    node.start_session(&mut client, 1, 1);
    let watch = Request::WatchInstance { session: session(1), instance: 0.try_into().unwrap() };
    let (reply, descriptors) = client.call(watch, &[]).unwrap();
    assert_eq!((reply, descriptors.len()), (Reply::Watch, 2));
    let mut text = String::new();
    std::fs::File::from(descriptors.into_iter().nth(1).unwrap()).read_to_string(&mut text).unwrap();
    assert!(text.split_whitespace().any(|word| word.parse::<u64>().is_ok_and(|time| time > 0)), "{text}");
    let (reply, descriptors) = client.call(Request::WatchNode, &[]).unwrap();
    assert_eq!((reply, descriptors.len()), (Reply::Watch, 1));
    end(&mut client, 1);
}

/// A session of two on a switch.
fn plugged(node: &Node, client: &mut Client) {
    let mut request = node.start_request(1, 2, 600_000);
    if let Request::StartSession { network, .. } = &mut request {
        *network = Some(Network::default());
    }
    client.call(request, &[]).unwrap_or_else(|error| panic!("{error}\n{}", node.log()));
}

fn shell(node: &Node, client: &mut Client, exec: u32, script: &str) -> String {
    let (output, status) = node.run(client, 1, exec, &["sh", "-c", script]);
    assert_eq!(status.code, Some(0), "{script}: {output}");
    output
}

#[test]
fn instances_reach_each_other_by_their_addresses() {
    let node = Node::start();
    let (mut client, welcome) = node.greeted();
    let before = node.settled_descriptors(welcome.pid);
    plugged(&node, &mut client);
    let others =
        ["10.99.0.12", "10.99.0.1", "fd53:616e:646c::12", "fd53:616e:646c::1", "fe80::53:4cff:fe00:12%eth0"];
    for (number, address) in (10..).zip(others) {
        shell(&node, &mut client, number, &format!("ping -c 1 -W 5 {address}"));
    }
    assert_eq!(shell(&node, &mut client, 3, "ip route; ip -6 route | grep default; true").lines().count(), 1);
    assert!(shell(&node, &mut client, 4, "cat /etc/hosts /etc/resolv.conf").contains("10.99.0.11\tm1\n"));
    end(&mut client, 1);
    node.until_descriptors(welcome.pid, &before);
}

#[test]
fn an_instance_comes_back_to_its_place_and_others_come_and_go() {
    let node = Node::start();
    let (mut client, welcome) = node.greeted();
    let before = node.settled_descriptors(welcome.pid);
    plugged(&node, &mut client);
    let second: InstanceIndex = 1.try_into().unwrap();
    let reboot = Request::RebootInstance { session: session(1), instance: second };
    client.call(reboot, &[]).unwrap_or_else(|error| panic!("{error}\n{}", node.log()));
    shell(&node, &mut client, 1, "ping -c 1 -W 5 10.99.0.12");
    for round in 0..3 {
        let remove = Request::RemoveInstance { session: session(1), instance: second };
        client.call(remove, &[]).unwrap_or_else(|error| panic!("{error}\n{}", node.log()));
        shell(&node, &mut client, 10 + round, "! ping -c 1 -W 1 10.99.0.12");
        let add = Request::AddInstance { session: session(1), machine: node.machine(1) };
        client.call(add.clone(), &[]).unwrap_or_else(|error| panic!("{error}\n{}", node.log()));
        shell(&node, &mut client, 20 + round, "ping -c 1 -W 5 10.99.0.12");
        assert_eq!(kind(client.call(add, &[])), RefusalKind::Exists);
    }
    let mut broken = node.machine(2);
    broken.layers = vec!["0".repeat(64).try_into().unwrap()];
    let add = Request::AddInstance { session: session(1), machine: broken };
    assert_eq!(kind(client.call(add, &[])), RefusalKind::Failed);
    let add = Request::AddInstance { session: session(1), machine: node.machine(2) };
    client.call(add, &[]).unwrap_or_else(|error| panic!("{error}\n{}", node.log()));
    end(&mut client, 1);
    node.until_descriptors(welcome.pid, &before);
}

#[test]
fn a_switch_answers_for_names() {
    let node = Node::start_with(|file| file.ready_networks = 1);
    let mut client = node.client();
    plugged(&node, &mut client);
    let (reply, sockets) = client.call(Request::OpenNameServer { session: session(1) }, &[]).unwrap();
    assert_eq!((reply, sockets.len()), (Reply::Sockets, 2));
    let udp = UdpSocket::from(sockets.into_iter().next().unwrap());
    udp.set_nonblocking(false).unwrap();
    let _pipes = node.exec(&mut client, 1, 1, &["nslookup", "node2"]);
    let mut query = [0; 512];
    let (length, from) = udp.recv_from(&mut query).unwrap();
    assert!(query[..length].windows(6).any(|part| part == b"\x05node2"));
    assert_eq!(from.ip(), "::ffff:10.99.0.11".parse::<std::net::IpAddr>().unwrap());
    drop(udp);
    end(&mut client, 1);
}
