//! Ways out that take smaller packets than Ethernet: at once, later, and further on.

use anyhow::{Result, ensure};
use sandlot_tests::api::{Api, Session};
use sandlot_tests::node::{Options, TestNode};

use crate::world::{World, run};

const CONFIG: &str =
    "name-servers = [\"203.0.113.1\"]\n[playgrounds.open]\nimage = \"tiny\"\negress = \"nat\"\n";
const MEBIBYTES: usize = 4;
const HOSTS: [&str; 2] = ["198.51.100.10", "[2001:db8:2::10]"];

/// Both ends of the host's own link.
fn set_uplink(world: &World, mtu: u32) {
    let words = format!("ip link set eth0 mtu {mtu}");
    run(&words);
    world.in_internet(&words);
}

async fn session(node: &TestNode) -> Result<Session> {
    Api::new(&node.url())?.create("open").await
}

/// Much in both directions; what is sent must be acknowledged piece by piece.
async fn transfers(session: &Session) -> Result<()> {
    for host in HOSTS {
        let bytes = (MEBIBYTES << 20).to_string();
        let (_, down) = session.sh(&format!("timeout 20 wget -qO- http://{host}:9000/ | wc -c")).await?;
        ensure!(down.trim() == bytes, "{host}: {down} bytes came");
        let make = format!("[ -f /tmp/much ] || yes | head -c {bytes} >/tmp/much");
        let send = format!("timeout 20 wget -qO- --post-file=/tmp/much http://{host}:9001/");
        let (_, up) = session.sh(&format!("{make}; {send}")).await?;
        ensure!(up.trim() == bytes, "{host}: {up} bytes went");
    }
    Ok(())
}

/// Pings of this size of the whole packet; their packets say that nobody may break them up, so that the first ones may
/// only bring back how large they may be.
async fn pings(session: &Session, packet: u32) -> Result<()> {
    for (host, header) in [("198.51.100.10", 28), ("2001:db8:2::10", 48)] {
        let (_, said) = session.sh(&format!("ping -c 3 -W 2 -s {} {host}", packet - header)).await?;
        let received = said.split(" packets received").next().and_then(|text| text.rsplit(' ').next());
        ensure!(received.is_some_and(|count| count != "0"), "{said}");
    }
    Ok(())
}

#[tokio::test]
async fn machines_know_of_a_smaller_uplink() -> Result<()> {
    let world = World::enter();
    set_uplink(&world, 1400);
    let node = TestNode::with(Options { config: CONFIG.to_owned(), ..Options::default() })?;
    let session = session(&node).await?;
    let (_, mtu) = session.sh("cat /sys/class/net/eth0/mtu").await?;
    assert_eq!(mtu.trim(), "1400");
    pings(&session, 1400).await?;
    transfers(&session).await?;
    session.close().await
}

#[tokio::test]
async fn an_uplink_that_becomes_smaller_says_so() -> Result<()> {
    let world = World::enter();
    let node = TestNode::with(Options { config: CONFIG.to_owned(), ..Options::default() })?;
    let session = session(&node).await?;
    set_uplink(&world, 1400);
    transfers(&session).await?;
    pings(&session, 1500).await?;
    session.close().await
}

#[tokio::test]
async fn a_smaller_link_further_on_says_so() -> Result<()> {
    let world = World::enter();
    world.in_internet(
        "ip link add far mtu 1300 type veth peer name far1 mtu 1300 && ip link set far1 up && ip link set far up && ip route add 198.51.100.128/25 dev far && \
         ip -6 route add 2001:db8:9::/48 dev far && ip neigh add 198.51.100.130 lladdr 02:00:00:00:00:01 dev far && \
         ip neigh add 2001:db8:9::1 lladdr 02:00:00:00:00:01 dev far && echo 1 >/proc/sys/net/ipv4/ip_forward && \
         echo 1 >/proc/sys/net/ipv6/conf/all/forwarding",
    );
    let node = TestNode::with(Options { config: CONFIG.to_owned(), ..Options::default() })?;
    let session = session(&node).await?;
    // Nobody answers there. The first packet brings back how large they may be; the others are broken up at once.
    let pieces = "sed -n \"/^Ip: [0-9]/p\" /proc/net/snmp | cut -d \" \" -f 20; \
                  sed -n \"s/^Ip6FragCreates[[:space:]]*//p\" /proc/net/snmp6";
    let (_, none) = session.sh(pieces).await?;
    assert_eq!(none, "0\n0\n");
    for host in ["198.51.100.130", "2001:db8:9::1"] {
        session.sh(&format!("ping -c 3 -W 1 -s 1400 {host}")).await?;
    }
    let (_, some) = session.sh(pieces).await?;
    ensure!(some.lines().count() == 2 && some.lines().all(|count| count != "0"), "{some}");
    session.close().await
}
