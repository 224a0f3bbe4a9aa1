//! Ports of the switch itself: an instance finds its name server there, and nothing else.

use std::net::UdpSocket;

use anyhow::{Context, Result, ensure};

use crate::guard::Guard;
use crate::lab::{Lab, Net};
use sandlot_tests::place::Said;
use sandlot_tests::wait::PATIENCE;

/// Something of the node that listens within the switch.
const SERVICE: &str = "echo started; exec busybox httpd -f -p 8080";

fn by_tcp(net: &Net, address: &str) -> Result<Said> {
    net.attack(0, &["connect", address])
}

#[tokio::test]
async fn the_switch_answers_for_names_only() -> Result<()> {
    let lab = Lab::new()?;
    let net = lab.net().await?;
    let _service = net.switch.start(&["sh", "-c", SERVICE])?;
    ensure!(by_tcp(&net, "10.99.0.1:53")?.text.contains("succeeded"), "not even the name server is reached");
    let doors = [
        ("10.99.0.1:8080", "ip daddr 10.99.0.1"),
        ("[fd53:616e:646c::1]:8080", "ip6 daddr fd53:616e:646c::1"),
        ("[::ffff:10.99.0.1]:8080", "ip daddr 10.99.0.1"),
    ];
    for (address, _) in doors {
        let refused = by_tcp(&net, address)?;
        ensure!(refused.text.contains("refused"), "{address}: {}", refused.text);
    }
    for (address, what) in doors {
        Guard::Input(&format!("{what} tcp dport 8080")).remove(&net.switch)?;
        let reached = by_tcp(&net, address)?;
        ensure!(
            reached.text.contains("succeeded"),
            "{address}: not even without its guard: {}",
            reached.text
        );
    }
    net.session.close().await
}

/// A socket in the switch.
fn ear(net: &Net, address: &str) -> Result<UdpSocket> {
    let socket = net.switch.within(|| Ok(UdpSocket::bind(address)?))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// The first instance sends a word there.
fn say(net: &Net, address: &str, word: &str) -> Result<()> {
    let any = if address.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" };
    net.instances[0].within(|| {
        // What is refused at once fails here, or later: either is a refusal.
        drop(UdpSocket::bind(any)?.send_to(word.as_bytes(), address));
        Ok(())
    })
}

/// The next word.
fn heard(ear: &UdpSocket) -> Result<String> {
    let mut bytes = [0; 64];
    let length = ear.recv(&mut bytes).context("not even without its guard")?;
    Ok(String::from_utf8_lossy(&bytes[..length]).into_owned())
}

#[tokio::test]
async fn datagrams_reach_nothing_but_the_name_server() -> Result<()> {
    let lab = Lab::new()?;
    let net = lab.net().await?;
    let ear = ear(&net, "[::]:8080")?;
    let doors = [
        ("10.99.0.1:8080", "ip daddr 10.99.0.1"),
        ("[fd53:616e:646c::1]:8080", "ip6 daddr fd53:616e:646c::1"),
        ("[fe80::53:4cff:fe00:1%2]:8080", "ip6 daddr fe80::53:4cff:fe00:1"),
    ];
    for (address, what) in doors {
        say(&net, address, "refused")?;
        Guard::Input(&format!("{what} udp dport 8080")).remove(&net.switch)?;
        say(&net, address, "let through")?;
        let word = heard(&ear)?;
        ensure!(word == "let through", "{address}: {word}");
    }
    net.session.close().await
}

/// Sends what is for the loopback to the switch.
const AWAY_WITH_LOOPBACK: &str = r#"
set -eu
for link in all eth0; do echo 1 > /proc/sys/net/ipv4/conf/$link/route_localnet; done
ip route delete local 127.0.0.0/8 dev lo table local
ip route delete local 127.0.0.1 dev lo table local
ip route add 127.0.0.1 via 10.99.0.1 src 10.99.0.11
"#;

#[tokio::test]
async fn the_loopback_of_the_switch_is_its_own() -> Result<()> {
    let lab = Lab::new()?;
    let net = lab.net().await?;
    net.instances[0].output(&["sh", "-c", AWAY_WITH_LOOPBACK])?;
    let (ear, target) = (ear(&net, "127.0.0.1:8080")?, "127.0.0.1:8080");
    say(&net, target, "with both guards")?;
    let path = "/proc/sys/net/ipv4/conf/br0/route_localnet";
    net.switch.within(|| Ok(std::fs::write(path, "1")?))?;
    say(&net, target, "with the firewall")?;
    Guard::Input("ip daddr 127.0.0.1 udp dport 8080").remove(&net.switch)?;
    say(&net, target, "without")?;
    let word = heard(&ear)?;
    ensure!(word == "without", "{word}");
    net.session.close().await
}
