//! A host and an internet, each a network namespace: the host's is the test thread's own.
//!
//! ```text
//! this thread: 203.0.113.2 eth0 ~~~ 203.0.113.1 another thread: web servers at many addresses, a name server
//! ```

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::gettid;

/// Addresses of the internet, the private ones among them that a host might reach.
const ADDRESSES: &[&str] = &[
    "198.51.100.10/32",
    "198.51.100.20/32",
    "10.20.0.5/32",
    "10.30.0.5/32",
    "169.254.169.254/32",
    "2001:db8:2::10/128",
    "fd12::5/128",
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
const NAMES: &[(&str, Ipv4Addr)] = &[
    ("web.example", Ipv4Addr::new(198, 51, 100, 10)),
    ("other.example", Ipv4Addr::new(198, 51, 100, 20)),
    ("denied.example", Ipv4Addr::new(198, 51, 100, 10)),
    ("private.example", Ipv4Addr::new(10, 20, 0, 5)),
    ("metadata.example", Ipv4Addr::new(169, 254, 169, 254)),
];

pub(crate) struct World {
    /// The thread that has the internet ends when this is dropped.
    _end: mpsc::Sender<()>,
}

impl World {
    /// Makes both; this thread and what it starts are the host from now on.
    pub(crate) fn enter() -> Self {
        assert!(nix::unistd::geteuid().is_root(), "these tests make network namespaces and need root");
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let (ready, is_ready) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        std::thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            ready.send(gettid()).unwrap();
            // The host connects the two meanwhile; servers on every address need no link.
            serve();
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
        Self { _end: end }
    }
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

fn run(words: &str) {
    output(words);
}

/// Web servers on all addresses at a few ports, and a name server.
fn serve() {
    let count: Arc<AtomicUsize> = Arc::default();
    for port in [80, 8080, 25, 9000] {
        let (listener, count) = (TcpListener::bind(("::", port)).unwrap(), Arc::clone(&count));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::Relaxed);
                let count = count.load(Ordering::Relaxed);
                std::thread::spawn(move || drop(answer(stream, port, count)));
            }
        });
    }
    let names = UdpSocket::bind("0.0.0.0:53").unwrap();
    std::thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, from)) = names.recv_from(&mut query) {
            drop(names.send_to(&resolve(&query[..length]), from));
        }
    });
}

/// Whoever asks sees the address that it came from, how many have come, or much at port 9000.
fn answer(mut stream: TcpStream, port: u16, count: usize) -> std::io::Result<()> {
    let mut request = [0; 1024];
    let length = stream.read(&mut request)?;
    let is_count = request[..length].starts_with(b"GET /count");
    let body = match port {
        9000 => vec![b'x'; 4 << 20],
        _ if is_count => count.to_string().into_bytes(),
        _ => stream.peer_addr()?.ip().to_canonical().to_string().into_bytes(),
    };
    write!(stream, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", body.len())?;
    stream.write_all(&body)
}

/// One answer of type A, or none (RFC 1035, section 4.1).
fn resolve(query: &[u8]) -> Vec<u8> {
    let mut at = 12;
    let mut labels = Vec::new();
    while query[at] != 0 {
        let length = usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..=at + length]).to_lowercase());
        at += length + 1;
    }
    let is_a = query[at + 1..at + 3] == [0, 1];
    let known = NAMES.iter().find(|(name, _)| *name == labels.join("."));
    let mut reply = query[..at + 5].to_vec();
    (reply[2], reply[3]) = (reply[2] | 0x80, if known.is_some() { 0x80 } else { 0x83 });
    let address = known.filter(|_| is_a).map(|(_, address)| address.octets());
    reply[6..12].copy_from_slice(&[0, u8::from(address.is_some()), 0, 0, 0, 0]);
    if let Some(address) = address {
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        reply.extend(address);
    }
    reply
}
