//! Queries for names, from many instances at once: each has a few on the way.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sched::{CloneFlags, setns};
use sandlot_tests::api::Session;

use super::watching::cpu_time;

const INSTANCES: usize = 4;
const QUERIES: u32 = 10_000;
const ON_THE_WAY: u32 = 8;
const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 99, 0, 1)), 53);
/// `node1`, A, IN, recursion desired; the id stands before it.
const QUERY: &[u8] = b"\x01\0\0\x01\0\0\0\0\0\0\x05node1\0\0\x01\0\x01";

pub(super) async fn measure(sessions: &[Session], serve: u32) -> Result<String> {
    let mut places = Vec::new();
    for session in sessions.iter().take(INSTANCES) {
        places.push(network_of(session).await?);
    }
    let (start, used) = (Instant::now(), cpu_time(serve)?);
    let loads: Vec<_> = places.into_iter().map(|place| std::thread::spawn(move || load(&place))).collect();
    let ended =
        tokio::task::spawn_blocking(|| loads.into_iter().map(std::thread::JoinHandle::join).collect());
    let ended: Vec<std::thread::Result<Result<u32>>> = ended.await?;
    let (elapsed, used) = (start.elapsed(), cpu_time(serve)? - used);
    let mut lost = 0;
    for load in ended {
        lost += load.ok().context("a load panicked")??;
    }
    let count = QUERIES * u32::try_from(INSTANCES)?;
    Ok(format!(
        "networks: names asked for by {INSTANCES} instances {:.0} queries/s, {lost} of {count} lost, {:.1} us of serve each",
        f64::from(count - lost) / elapsed.as_secs_f64(),
        used.as_secs_f64() * 1e6 / f64::from(count)
    ))
}

/// The network namespace of the first instance, by any process in it.
async fn network_of(session: &Session) -> Result<PathBuf> {
    let (code, name) = session.sh("readlink /proc/self/ns/net").await?;
    let inode = name.trim().strip_prefix("net:[").and_then(|rest| rest.strip_suffix(']'));
    let inode: u64 = inode.with_context(|| format!("{code} {name}"))?.parse()?;
    let mut paths = std::fs::read_dir("/proc")?.flatten().map(|entry| entry.path().join("ns/net"));
    paths.find(|path| path.metadata().is_ok_and(|file| file.ino() == inode)).context("no process in it")
}

/// Asks from inside; the number of queries without an answer.
fn load(place: &PathBuf) -> Result<u32> {
    setns(File::open(place)?, CloneFlags::CLONE_NEWNET)?;
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect(SERVER)?;
    socket.set_read_timeout(Some(Duration::from_secs(1)))?;
    let (mut sent, mut lost, mut answer) = (0, 0, [0; 512]);
    while sent < ON_THE_WAY {
        ask(&socket, &mut sent)?;
    }
    for _ in 0..QUERIES {
        match socket.recv(&mut answer) {
            // A name of ours has one address.
            Ok(size) => ensure!(answer[..size][3] & 15 == 0 && answer[7] == 1, "{:?}", &answer[..size]),
            Err(_) => lost += 1,
        }
        if sent < QUERIES {
            ask(&socket, &mut sent)?;
        }
    }
    Ok(lost)
}

fn ask(socket: &UdpSocket, sent: &mut u32) -> Result<()> {
    let id = u16::try_from(*sent % 65_536)?.to_be_bytes();
    socket.send(&[&id, QUERY].concat())?;
    *sent += 1;
    Ok(())
}
