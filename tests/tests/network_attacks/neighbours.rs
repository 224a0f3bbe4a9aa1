//! Instances of a session reach each other, by name and by address, with every protocol.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use anyhow::{Context, Result, ensure};
use sandlot_tests::wait::PATIENCE;

use crate::frame::instance;
use crate::lab::{Lab, Net};

const PORT: u16 = 4000;
/// Gives back what it gets.
const ECHO: &str = "(nc -ll -p 4000 -e cat) >/dev/null 2>&1 </dev/null &";

async fn output(net: &Net, line: &str) -> Result<String> {
    let (code, text) = net.session.sh_at("m1", line).await?;
    ensure!(code == 0, "{line}: {code} {text}");
    Ok(text)
}

#[tokio::test]
async fn instances_reach_each_other_with_every_protocol() -> Result<()> {
    let lab = Lab::new()?;
    let net = lab.net().await?;
    let (code, text) = net.session.sh_at("m2", ECHO).await?;
    ensure!(code == 0, "{text}");
    let [v4, v6] = instance(1).both().map(|address| address.to_string());
    for target in ["node2", "NODE2", v4.as_str(), v6.as_str()] {
        by_tcp(&net, target).await?;
    }
    for line in [format!("ping -c 1 -W 5 {v4}"), format!("ping6 -c 1 -W 5 {v6}")] {
        output(&net, &line).await?;
    }
    for line in ["ping -c 1 -W 5 node2", "ping6 -c 1 -W 5 node2"] {
        output(&net, line).await?;
    }
    let named = output(&net, "nslookup node2 | sed -n 's/^Address: *//p'").await?;
    let named: Vec<IpAddr> = named.lines().filter_map(|line| line.trim().parse().ok()).collect();
    for address in instance(1).both() {
        ensure!(named.contains(&address), "node2 is at {named:?}");
        by_udp(&net, address)?;
    }
    net.session.close().await
}

/// The other may listen a moment later than it was told to.
async fn by_tcp(net: &Net, target: &str) -> Result<()> {
    let line = format!(
        "for i in $(seq 100); do echo hello | nc -w 5 {target} {PORT} && exit; usleep 50000; done; exit 1"
    );
    let said = output(net, &line).await?;
    ensure!(said.starts_with("hello"), "{target}: {said}");
    Ok(())
}

fn by_udp(net: &Net, address: IpAddr) -> Result<()> {
    let bound = || Ok(UdpSocket::bind("[::]:0")?);
    let (one, other) = (net.instances[0].within(bound)?, net.instances[1].within(bound)?);
    for socket in [&one, &other] {
        socket.set_read_timeout(Some(PATIENCE))?;
    }
    let port = other.local_addr()?.port();
    let target = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().into(),
        address => address,
    };
    one.send_to(b"there", SocketAddr::new(target, port))?;
    let mut bytes = [0; 16];
    let (length, from) = other.recv_from(&mut bytes).context("nothing came")?;
    ensure!(&bytes[..length] == b"there" && instance(0).both().contains(&from.ip().to_canonical()), "{from}");
    other.send_to(b"back", from)?;
    let length = one.recv(&mut bytes).context("nothing came back")?;
    ensure!(&bytes[..length] == b"back", "another answer");
    Ok(())
}
