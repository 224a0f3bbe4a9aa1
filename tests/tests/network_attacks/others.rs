//! Sessions have equal addresses: whoever uses them finds its own neighbours, and nobody of another session.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};

use anyhow::{Context, Result, bail, ensure};
use sandlot_tests::place::{Place, Said};
use sandlot_tests::wait::{self, PATIENCE};

use crate::frame::{self, ATTACK, LAST, hex, instance};
use crate::lab::{Lab, Net};

/// What the second instance of each session listens with.
struct Ears {
    tcp: TcpListener,
    udp: UdpSocket,
}

impl Ears {
    fn of(net: &Net) -> Result<Self> {
        net.instances[1].within(|| {
            let (tcp, udp) = (TcpListener::bind("[::]:4000")?, UdpSocket::bind("[::]:4000")?);
            tcp.set_nonblocking(true)?;
            udp.set_read_timeout(Some(PATIENCE))?;
            Ok(Self { tcp, udp })
        })
    }

    /// Whether a connection waits.
    fn is_called(&self) -> Result<bool> {
        match self.tcp.accept() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => bail!(error),
        }
    }

    /// The next datagram.
    fn heard(&self) -> Result<String> {
        let mut bytes = [0; 64];
        let length = self.udp.recv(&mut bytes).context("no datagram came")?;
        Ok(String::from_utf8_lossy(&bytes[..length]).into_owned())
    }
}

fn socket(address: IpAddr) -> SocketAddr {
    SocketAddr::new(address, 4000)
}

/// The first instance sends this to the second one's address.
fn tell(net: &Net, address: IpAddr, word: &str) -> Result<()> {
    let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    net.instances[0].within(|| Ok(UdpSocket::bind(any)?.send_to(word.as_bytes(), socket(address))?))?;
    Ok(())
}

#[tokio::test]
async fn equal_addresses_are_those_of_ones_own_session() -> Result<()> {
    let lab = Lab::new()?;
    let (one, other) = (lab.net().await?, lab.net().await?);
    let (ours, theirs) = (Ears::of(&one)?, Ears::of(&other)?);
    for address in instance(1).both() {
        one.instances[0].within(|| Ok(TcpStream::connect_timeout(&socket(address), PATIENCE)?))?;
        ensure!(ours.is_called()?, "{address}: the own neighbour was not called");
        ensure!(!theirs.is_called()?, "{address}: another session was called");
        tell(&one, address, "one")?;
        tell(&other, address, "other")?;
        ensure!((ours.heard()?, theirs.heard()?) == ("one".to_owned(), "other".to_owned()), "{address}");
    }
    // Nobody stands in for a neighbour that is gone.
    one.instances[1].output(&["ip", "link", "set", "eth0", "down"])?;
    for (ping, address) in ["ping", "ping6"].into_iter().zip(instance(1).both().map(|a| a.to_string())) {
        let words = ["busybox", ping, "-c", "1", "-W", "1", &address];
        ensure!(!one.instances[0].run(&words)?.succeeded, "{address} answers for who is gone");
        other.instances[0].output(&words)?;
    }
    one.session.close().await?;
    other.session.close().await
}

/// Frames to all: by the attacker's own addresses and by others, of every protocol.
fn frames() -> Vec<String> {
    let (own, other) = (instance(0), instance(1));
    let plain = (4000, 4000);
    let frames = [
        frame::datagram(own.mac.0, own.v4, plain),
        frame::datagram(other.mac.0, other.v4, plain),
        frame::datagram_v6(own.v6, plain),
        frame::icmpv6(128, &[0; 4]),
        frame::arp(own.mac.0, own.v4),
        frame::ethernet(frame::EVERYONE, own.mac.0, 0x88b5, &[0; 46]),
    ];
    frames.iter().map(|frame| hex(&[frame, ATTACK].concat())).collect()
}

/// What the second instance of the other session hears of them, until somebody of its own has sent the last frame.
fn attack(one: &Net, other: &Net) -> Result<Said> {
    let watch = other.watch(1, &["hear-frame", "eth0", &hex(ATTACK), &hex(LAST)])?;
    let frames = frames();
    let words: Vec<&str> =
        ["send-frames", "eth0"].into_iter().chain(frames.iter().map(String::as_str)).collect();
    let sent = one.attack(0, &words)?;
    ensure!(sent.succeeded, "the frames were not even sent: {}", sent.text);
    let own = instance(2);
    let last = [&frame::datagram(own.mac.0, own.v4, (4000, 4000)), LAST].concat();
    other.attack(2, &["send-frames", "eth0", &hex(&last)])?;
    watch.end()
}

/// A link between both switches, which nothing in the product makes.
fn join(one: &Place, other: &Place) -> Result<()> {
    let Place::Node(file) = other else { bail!("no switch") };
    let there = format!("/proc/{}/fd/{}", std::process::id(), std::os::fd::AsRawFd::as_raw_fd(file));
    one.output(&["ip", "link", "add", "cross", "type", "veth", "peer", "name", "cross", "netns", &there])?;
    for switch in [one, other] {
        switch.output(&["ip", "link", "set", "cross", "master", "br0", "up"])?;
    }
    let joined = |switch: &Place| {
        let state = switch.output(&["bridge", "link", "show", "dev", "cross"]).ok()?;
        state.contains("state forwarding").then_some(())
    };
    wait::until("the link between them", PATIENCE, || joined(one).and_then(|()| joined(other)))
}

#[tokio::test]
async fn no_frame_reaches_another_session() -> Result<()> {
    let lab = Lab::new()?;
    let (one, other) = (lab.net().await?, lab.net().await?);
    let heard = attack(&one, &other)?;
    ensure!(heard.text.contains("refused"), "it was heard: {}", heard.text);
    join(&one.switch, &other.switch)?;
    let heard = attack(&one, &other)?;
    ensure!(heard.text.contains("refused"), "a link alone joins switches: {}", heard.text);
    other.switch.output(&["nft", "insert rule bridge ports from_port iifname cross accept"])?;
    let heard = attack(&one, &other)?;
    ensure!(heard.text.contains("succeeded"), "not even where switches are joined: {}", heard.text);
    one.session.close().await?;
    other.session.close().await
}
