//! The switch is the node's: power over one's own end of a pair is none over the other end.

use anyhow::{Context, Result, ensure};
use reqwest::Method;

use crate::guard::Guard;
use crate::lab::{Lab, Net};
use sandlot_tests::place::{Place, Said};

/// A switch as it must not be, in a namespace of the session's own user namespace: the attacker's end, and the other.
const CARELESS: &str = r#"
set -eu
ip link add br0 type bridge
ip link set br0 up
unshare --net sleep 60 >/dev/null 2>&1 & inner=$!
trap 'kill $inner' EXIT
until [ "$(readlink /proc/$inner/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
ip link add p0 type veth peer name eth0 netns $inner
ip link set p0 master br0 up
# Whoever asks is told by which number.
nsenter --net=/proc/$inner/ns/net ip link | grep -q netnsid
echo "$inner"
wait
"#;

/// What an attacker asks of the other end of its `eth0`, by the number that the kernel tells everybody.
const REWIRINGS: [[&str; 4]; 4] = [
    ["rewire", "make", "0", "mine"],
    // The bridge, by its number.
    ["rewire", "stack", "0", "2"],
    ["rewire", "delete", "0", "p0"],
    // The last, for it takes the end away.
    ["rewire", "move", "0", "eth0"],
];

#[tokio::test]
async fn nobody_rewires_the_switch() -> Result<()> {
    let lab = Lab::new()?;
    let net = lab.net().await?;
    let before = links(&net.switch)?;
    for rewiring in REWIRINGS {
        let refused = net.attack(0, &rewiring)?;
        ensure!(
            refused.text.contains("refused")
                && ["EPERM", "EACCES"].iter().any(|why| refused.text.contains(why)),
            "{rewiring:?}: {}",
            refused.text
        );
    }
    ensure!(links(&net.switch)? == before, "the switch has changed");
    for rewiring in REWIRINGS {
        let done = careless(&net, &rewiring)?;
        ensure!(
            done.text.contains("succeeded"),
            "{rewiring:?}: not even where the switch is the session's: {}",
            done.text
        );
    }
    net.session.close().await
}

/// The same where switch and instance belong to the same user namespace.
fn careless(net: &Net, rewiring: &[&str]) -> Result<Said> {
    let switch = net.instances[2].start(&["unshare", "--net", "sh", "-c", CARELESS])?;
    let inner: u32 = switch.first().trim().parse().context("no process in the careless network")?;
    let said = Place::Instance(inner).run(&[&[net.probe()], rewiring].concat());
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(inner.cast_signed()),
        nix::sys::signal::Signal::SIGKILL,
    )?;
    said
}

fn links(place: &Place) -> Result<Vec<String>> {
    let text = place.output(&["ip", "-o", "link"])?;
    Ok(text.lines().filter_map(|line| line.split(": ").nth(1)).map(str::to_owned).collect())
}

/// Makes a link of the same name and addresses again; its other end is one's own.
const MAKE_AGAIN: &str = r#"
set -eu
ip link delete eth0
ip link add eth0 address 02:53:4c:00:00:13 type veth peer name p2
ip link set p2 up
ip address add 10.99.0.13/24 dev eth0
ip link set eth0 up
! busybox ping -c 1 -W 1 10.99.0.12
"#;

/// Takes the link to another network of one's own, speaks from there as another, and ends that network with it.
const MOVE_AWAY: &str = r#"
set -eu
unshare --net sleep 60 >/dev/null 2>&1 & inner=$!
trap 'kill $inner' EXIT
until [ "$(readlink /proc/$inner/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
ip link set eth0 netns $inner
inside() { nsenter --net=/proc/$inner/ns/net "$@"; }
inside ip address add 10.99.0.13/24 dev eth0
inside ip link set eth0 up
! inside busybox ping -c 1 -W 1 10.99.0.12
inside ip address delete 10.99.0.13/24 dev eth0
inside ip address add 10.99.0.11/24 dev eth0
inside busybox ping -c 1 -W 5 10.99.0.12
"#;

#[tokio::test]
async fn what_one_does_to_its_own_link_is_its_own_affair() -> Result<()> {
    let lab = Lab::new()?;
    let net = lab.net().await?;
    let (first, second, third) = (&net.instances[0], &net.instances[1], &net.instances[2]);
    first.output(&["sh", "-c", MOVE_AWAY])?;
    third.output(&["sh", "-c", MAKE_AGAIN])?;
    sandlot_tests::wait::until("the end of both ports", sandlot_tests::wait::PATIENCE, || {
        (links(&net.switch).ok()? == ["lo", "br0", "p1@if2"]).then_some(())
    })?;
    ping(second, "10.99.0.1")?;
    // It gets a good one where it starts anew.
    let (status, body) = net.session.request(Method::POST, "/instances/m3/reboot", None).await?;
    ensure!(status.is_success(), "{status} {body}");
    ping(second, "10.99.0.13")?;
    net.session.close().await
}

/// Addresses of others, and their hardware's, given to one's own link.
#[tokio::test]
async fn nobody_speaks_as_another() -> Result<()> {
    let lab = Lab::new()?;
    let net = lab.net().await?;
    let own = &net.instances[0];
    own.output(&["ip", "address", "add", "10.99.0.14/24", "dev", "eth0"])?;
    let as_another = ["busybox", "ping", "-c", "1", "-W", "1", "-I", "10.99.0.14", "10.99.0.12"];
    ensure!(!own.run(&as_another)?.succeeded, "it speaks by another's address");
    for what in ["arp saddr ip 10.99.0.14", "ip saddr 10.99.0.14"] {
        Guard::Ports(what).remove(&net.switch)?;
    }
    // The kernel looks for a neighbour again a second after it was not found.
    let patiently = ["busybox", "ping", "-c", "1", "-W", "10", "-I", "10.99.0.14", "10.99.0.12"];
    own.output(&patiently).context("not even without the guard")?;
    own.output(&["ip", "link", "set", "eth0", "address", "02:53:4c:00:00:13"])?;
    ensure!(
        !own.run(&["busybox", "ping", "-c", "1", "-W", "1", "10.99.0.12"])?.succeeded,
        "by another's hardware"
    );
    net.session.close().await
}

fn ping(from: &Place, address: &str) -> Result<()> {
    from.output(&["busybox", "ping", "-c", "1", "-W", "5", address]).map(drop)
}
