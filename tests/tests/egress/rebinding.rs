//! Names that lead, or turn, to where nobody may go. Two layers refuse it: what may not be reached is not told, and the
//! firewall refuses it whoever told it.

use anyhow::{Result, ensure};
use hickory_resolver::proto::rr::RecordType::{A, AAAA};
use sandlot_tests::api::Session;

use crate::ground::{Ground, Net, ensure_reached, ensure_refused, open_ground};
use crate::guard::Guard::{self, Host, Switch};
use crate::question::{Client, SWITCH, WORLD};
use crate::service;

/// What a name leads to, and what of it is told.
struct Case {
    name: &'static str,
    targets: &'static [&'static str],
    told: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case { name: "private.test", targets: &["10.20.0.5", "192.168.0.5", "fd12::5"], told: &[] },
    Case { name: "metadata.test", targets: &["169.254.169.254", "fd00:ec2::254"], told: &[] },
    Case { name: "loopback.test", targets: &["127.0.0.1", "0.0.0.0", "::1", "::"], told: &[] },
    Case { name: "gateway.test", targets: &["100.64.0.1", "fd53:616e:646c:ffff::1"], told: &[] },
    Case { name: "link.test", targets: &["fe80::1", "ff02::1", "224.0.0.1", "255.255.255.255"], told: &[] },
    Case {
        name: "both.test",
        targets: &["198.51.100.10", "10.20.0.5", "169.254.169.254", "2001:db8:2::10", "fd12::5"],
        told: &["198.51.100.10", "2001:db8:2::10"],
    },
    Case {
        name: "mapped.test",
        targets: &[
            "::ffff:10.20.0.5",
            "::ffff:198.51.100.10",
            "::10.20.0.5",
            "64:ff9b::a14:5",
            "2002:a14:5::1",
        ],
        told: &[],
    },
];

#[tokio::test]
async fn what_may_not_be_reached_is_not_told() -> Result<()> {
    let ground = open_ground()?;
    let net = ground.net("open").await?;
    for case in CASES {
        ground.world.names.set(case.name, 60, case.targets);
    }
    let (ours, theirs) = (Client::new(&net.instance, SWITCH)?, Client::new(&net.instance, WORLD)?);
    for case in CASES {
        let told = |client: &Client| {
            anyhow::Ok([client.told(case.name, A)?, client.told(case.name, AAAA)?].concat())
        };
        let all = told(&theirs)?;
        ensure!(
            case.targets.iter().all(|target| all.iter().any(|one| is_same(one, target))),
            "{}: {all:?}",
            case.name
        );
        let mut told = told(&ours)?;
        told.sort();
        told.dedup();
        ensure!(told == case.told, "{}: {told:?}", case.name);
    }
    // A chain is told as it is, but for the address at its end.
    ground.world.names.set("chain.test", 60, &["second.test"]);
    ground.world.names.set("second.test", 60, &["private.test"]);
    let chain = ours.told("chain.test", A)?;
    ensure!(chain == ["second.test.", "private.test."], "chain.test: {chain:?}");
    net.session.close().await
}

/// Whether both are the same address, or name.
fn is_same(told: &str, target: &str) -> bool {
    let address = |text: &str| text.parse::<std::net::IpAddr>().ok();
    told == format!("{target}.") || address(told).is_some() && address(told) == address(target)
}

/// Where a name turns to after its first answer, and the layers of the firewall in that way.
const TURNS: &[(&str, &[Guard])] = &[
    ("10.20.0.5", &[Switch("@private4")]),
    ("169.254.169.254", &[Switch("@refused4")]),
    ("fd00:ec2::254", &[Switch("@refused6"), Switch("@private6")]),
    ("64:ff9b::a9fe:a9fe", &[Switch("@refused6")]),
];

#[tokio::test]
async fn a_name_that_turns_leads_nowhere() -> Result<()> {
    let ground = open_ground()?;
    for (number, (target, guards)) in TURNS.iter().enumerate() {
        let (net, name) = (ground.net("open").await?, format!("turn{number}.test"));
        let urls = [format!("http://{name}/")];
        ground.world.names.set(&name, 0, &["198.51.100.10"]);
        ensure_reached(&net.session, &urls, "before it turns").await?;
        ground.world.names.set(&name, 0, &[target]);
        ensure_refused(&net.session, &urls, "both layers").await?;
        ask_whom(&net.session, WORLD).await?;
        for guard in *guards {
            ensure_refused(&net.session, &urls, "told, and refused by the firewall").await?;
            guard.remove(&ground, &net)?;
        }
        ask_whom(&net.session, SWITCH).await?;
        ensure_refused(&net.session, &urls, "let through by the firewall, and not told").await?;
        ask_whom(&net.session, WORLD).await?;
        ensure_reached(&net.session, &urls, "without both").await?;
        net.session.close().await?;
    }
    Ok(())
}

/// Whoever is root inside may ask another name server than the session's.
async fn ask_whom(session: &Session, server: &str) -> Result<()> {
    let address = server.trim_end_matches(":53");
    let (code, text) = session.sh(&format!("echo nameserver {address} >/etc/resolv.conf")).await?;
    ensure!(code == 0, "{text}");
    Ok(())
}

fn permitted(net: &Net) -> Result<String> {
    let list = |set: &str| net.switch.output(&["nft", &format!("list set inet switch {set}")]);
    Ok(list("names0_4")? + &list("names0_6")?)
}

/// Where only names are allowed: what one turns to is permitted only if everybody may reach it.
#[tokio::test]
async fn an_allowed_name_allows_nothing_that_is_refused() -> Result<()> {
    let ground = open_ground()?;
    let net = ground.net("named").await?;
    let urls = ["http://web.example/".to_owned()];
    ground.world.names.set("web.example", 0, &["198.51.100.10"]);
    ensure_reached(&net.session, &urls, "before it turns").await?;
    for target in ["10.20.0.5", "169.254.169.254", "fd12::5", "64:ff9b::a9fe:a9fe", "::ffff:10.20.0.5"] {
        ground.world.names.set("web.example", 0, &[target]);
        ensure_refused(&net.session, &urls, target).await?;
        ensure_refused(&net.session, &[host_of(target)], target).await?;
    }
    let set = permitted(&net)?;
    ensure!(set.contains("198.51.100.10"), "{set}");
    ensure!(!["10.20.", "169.254", "fd12", "64:ff9b"].iter().any(|part| set.contains(part)), "{set}");
    // The next layer: a set that holds it all the same.
    let add = "add element inet switch names0_4 { 169.254.169.254 timeout 60s }";
    net.switch.output(&["nft", add])?;
    let metadata = ["http://169.254.169.254/".to_owned()];
    ensure_refused(&net.session, &metadata, "permitted, and refused").await?;
    Switch("@refused4").remove(&ground, &net)?;
    ensure_reached(&net.session, &metadata, "without both").await?;
    turn_to_the_node(&ground, &net).await
}

fn host_of(target: &str) -> String {
    if target.contains(':') { format!("http://[{target}]/") } else { format!("http://{target}/") }
}

/// The node's address in the world is no secret and may be told: the host refuses it.
async fn turn_to_the_node(ground: &Ground, net: &Net) -> Result<()> {
    service::on_host(80)?;
    let urls = ["http://web.example/".to_owned()];
    ground.world.names.set("web.example", 0, &["203.0.113.2"]);
    ensure_refused(&net.session, &urls, "the node").await?;
    ensure!(permitted(net)?.contains("203.0.113.2"), "it was not even permitted");
    Host.remove(ground, net)?;
    ensure_reached(&net.session, &urls, "without the host's guard").await?;
    net.session.close().await
}
