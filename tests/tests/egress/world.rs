//! A host and an internet, each a network namespace: the host's is the test thread's own.
//!
//! ```text
//! this thread: 203.0.113.2 eth0 ~~~ 203.0.113.1 another thread: web servers at many addresses, a name server
//! ```

mod names;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, SocketAddrV6, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6, sendto, setsockopt, socket,
    sockopt,
};
use nix::unistd::gettid;
use sandlot_tests::wait::{self, PATIENCE};

use names::Names;

/// Addresses of the internet, the private ones among them that a host might reach.
const ADDRESSES: &[&str] = &[
    "198.51.100.10/32",
    "198.51.100.20/32",
    "10.20.0.5/32",
    "10.30.0.5/32",
    "172.16.0.5/32",
    "192.168.0.5/32",
    "100.127.0.5/32",
    "168.63.129.16/32",
    "169.254.169.254/32",
    "192.0.0.192/32",
    "198.18.0.5/32",
    "2001:db8:2::10/128",
    "fd12::5/128",
    "fd00:ec2::254/128",
    // 10.20.0.5 and 169.254.169.254 in the forms that IPv6 has for IPv4.
    "::a14:5/128",
    "64:ff9b::a9fe:a9fe/128",
    "64:ff9b:1::a14:5/128",
    "2001:0:a14:5::1/128",
    "2002:a14:5::1/128",
];
const HOST: &[&str] = &[
    "ip addr add 203.0.113.2/24 dev eth0",
    "ip addr add 2001:db8:1::2/64 dev eth0 nodad",
    "ip link set eth0 up",
    "ip route add default via 203.0.113.1",
    "ip -6 route add default via 2001:db8:1::1",
];
const INTERNET: &[&str] = &[
    "ip link set lo up",
    "ip addr add 203.0.113.1/24 dev eth0",
    "ip addr add 2001:db8:1::1/64 dev eth0 nodad",
    "ip link set eth0 up",
];

pub(crate) struct World {
    pub(crate) names: Names,
    /// The thread that has the internet ends when this is dropped.
    _end: mpsc::Sender<()>,
    internet: nix::unistd::Pid,
}

impl World {
    /// Makes both; this thread and what it starts are the host from now on.
    pub(crate) fn enter() -> Self {
        assert!(nix::unistd::geteuid().is_root(), "these tests make network namespaces and need root");
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let (ready, is_ready) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let names = Names::new();
        let server = names.clone();
        std::thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            ready.send(gettid()).unwrap();
            // The host connects the two meanwhile; servers on every address need no link.
            serve();
            server.serve();
            ended.recv().unwrap_err();
        });
        let internet = is_ready.recv().unwrap();
        run(&format!("ip link set lo up && ip link add eth0 type veth peer name eth0 netns {internet}"));
        HOST.iter().for_each(|words| run(words));
        let mut set = INTERNET.iter().map(|words| (*words).to_owned()).collect::<Vec<_>>();
        set.extend(ADDRESSES.iter().map(|address| format!("ip addr add {address} dev lo nodad")));
        run(&format!("nsenter --net=/proc/{internet}/ns/net sh -c '{}'", set.join(" && ")));
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
        std::fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1").unwrap();
        Self { names, _end: end, internet }
    }

    /// Output of shell words on the internet's side.
    pub(crate) fn in_internet(&self, words: &str) -> String {
        output(&format!("nsenter --net=/proc/{}/ns/net sh -c '{words}'", self.internet))
    }

    /// The internet's side says once that it is a router, to the host's own address of the link.
    pub(crate) fn advertise_router(&self) -> anyhow::Result<()> {
        let show = "ip -6 addr show dev eth0 scope link -tentative";
        let is_ready = || [output(show), self.in_internet(show)].iter().all(|said| said.contains("fe80"));
        wait::until("addresses of the link", PATIENCE, || is_ready().then_some(()))?;
        let words = output("ip -6 -o addr show dev eth0 scope link");
        let address = words.split_whitespace().find_map(|word| word.strip_suffix("/64")).unwrap().to_owned();
        let namespace = File::open(format!("/proc/{}/ns/net", self.internet))?;
        std::thread::spawn(move || advertise(&namespace, &address)).join().unwrap()
    }
}

/// A router advertisement (RFC 4861, section 4.2) that is good for half an hour.
fn advertise(namespace: &File, to: &str) -> anyhow::Result<()> {
    setns(namespace, CloneFlags::CLONE_NEWNET)?;
    let socket = socket(AddressFamily::Inet6, SockType::Raw, SockFlag::empty(), SockProtocol::IcmpV6)?;
    setsockopt(&socket, sockopt::Ipv6Ttl, &255)?;
    let link = nix::net::if_::if_nametoindex("eth0")?;
    let to = SockaddrIn6::from(SocketAddrV6::new(to.parse()?, 0, 0, link));
    // The kernel fills the sum in.
    let message = [134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];
    let send = || sendto(socket.as_raw_fd(), &message, &to, MsgFlags::empty()).ok();
    wait::until("an advertisement", PATIENCE, send)?;
    Ok(())
}

/// Whether something answers there, from the host.
pub(crate) fn reaches(address: &str) -> bool {
    let address: SocketAddr = address.parse().unwrap();
    TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok()
}

/// Output of shell words in this thread's network namespace.
pub(crate) fn output(words: &str) -> String {
    let output = Command::new("sh").args(["-c", words]).output().unwrap();
    assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The same without an output.
pub(crate) fn run(words: &str) {
    output(words);
}

/// Web servers on all addresses at a few ports.
fn serve() {
    let count: Arc<AtomicUsize> = Arc::default();
    for port in [80, 8080, 25, 465, 587, 9000, 9001] {
        let (listener, count) = (TcpListener::bind(("::", port)).unwrap(), Arc::clone(&count));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::Relaxed);
                let count = count.load(Ordering::Relaxed);
                std::thread::spawn(move || drop(answer(stream, port, count)));
            }
        });
    }
}

/// Whoever asks sees the address that it came from, how many have come, much at port 9000, or how much it sent to port
/// 9001.
fn answer(mut stream: TcpStream, port: u16, count: usize) -> std::io::Result<()> {
    let mut request = [0; 1024];
    let length = stream.read(&mut request)?;
    let is_count = request[..length].starts_with(b"GET /count");
    let body = match port {
        9000 => vec![b'x'; 4 << 20],
        9001 => received(&mut stream, &request[..length])?.to_string().into_bytes(),
        _ if is_count => count.to_string().into_bytes(),
        _ => stream.peer_addr()?.ip().to_canonical().to_string().into_bytes(),
    };
    write!(stream, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", body.len())?;
    stream.write_all(&body)
}

/// Reads the body that follows a head, and counts it.
fn received(stream: &mut TcpStream, begun: &[u8]) -> std::io::Result<u64> {
    let mut bytes = begun.to_vec();
    let is_end = |bytes: &[u8]| bytes.windows(4).position(|four| four == b"\r\n\r\n");
    while is_end(&bytes).is_none() {
        let mut more = [0; 1024];
        let length = stream.read(&mut more)?;
        bytes.extend(&more[..length]);
    }
    let head = String::from_utf8_lossy(&bytes).to_lowercase();
    let wanted = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0").trim();
    let wanted: u64 = wanted.parse().unwrap();
    let already = (bytes.len() - is_end(&bytes).unwrap() - 4) as u64;
    Ok(already + std::io::copy(&mut stream.take(wanted - already), &mut std::io::sink())?)
}
