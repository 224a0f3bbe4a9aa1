//! Sockets of an instance's own network.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{SockaddrIn, connect, getsockopt, sockopt};
use sandlot_runtime::supervisor::client::Client;
use sandlot_runtime::supervisor::protocol::{Reply, Request, SocketFamily};

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
