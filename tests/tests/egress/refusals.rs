//! Addresses that no session reaches, however they are written: each is reached once the layers that refuse it are gone.

use anyhow::{Context, Result};
use sandlot_tests::firewall::add_rule;

use crate::ground::{ensure_reached, ensure_refused, open_ground};
use crate::guard::Guard::{self, GatewayForward, GatewayInput, Host, Switch};
use crate::service;

/// Port of a service of the node's own.
const SERVICE: u16 = 7000;

/// Hosts, and the layers each of which is enough to refuse them.
struct Class {
    name: &'static str,
    hosts: &'static [&'static str],
    guards: &'static [Guard],
}

const ABROAD: &[Class] = &[
    Class {
        name: "private networks, also as numbers, in octal and in hexadecimal, and IPv4 in IPv6",
        hosts: &[
            "10.20.0.5",
            "172.16.0.5",
            "192.168.0.5",
            "100.127.0.5",
            "169082885",
            "0x0a140005",
            "012.024.0.05",
            "10.1310725",
            "[::ffff:10.20.0.5]",
            "[::ffff:a14:5]",
        ],
        guards: &[Switch("@private4")],
    },
    Class {
        name: "link-local addresses and metadata services",
        hosts: &[
            "169.254.169.254",
            "2852039166",
            "0xa9fea9fe",
            "0251.0376.0251.0376",
            "169.254.43518",
            "169.16689662",
            "[::ffff:169.254.169.254]",
            "[::ffff:a9fe:a9fe]",
            "168.63.129.16",
            "192.0.0.192",
            "198.18.0.5",
        ],
        guards: &[Switch("@refused4")],
    },
    Class { name: "private networks of IPv6", hosts: &["[fd12::5]"], guards: &[Switch("@private6")] },
    Class {
        name: "a metadata service of IPv6",
        hosts: &["[fd00:ec2::254]"],
        guards: &[Switch("@refused6"), Switch("@private6")],
    },
    Class {
        name: "IPv4 in IPv6: compatible, NAT64, local NAT64, Teredo, 6to4",
        hosts: &[
            "[::a14:5]",
            "[::10.20.0.5]",
            "[64:ff9b::a9fe:a9fe]",
            "[64:ff9b::169.254.169.254]",
            "[64:ff9b:1::a14:5]",
            "[2001:0:a14:5::1]",
            "[2002:a14:5::1]",
        ],
        guards: &[Switch("@refused6")],
    },
    Class {
        name: "what the playground denies",
        hosts: &["198.51.100.20", "3325256724", "[::ffff:198.51.100.20]"],
        guards: &[Switch("198.51.100.20")],
    },
    Class {
        name: "mail",
        hosts: &["198.51.100.10:25", "[2001:db8:2::10]:25"],
        guards: &[Switch("dport 25 ")],
    },
    Class { name: "mail by TLS", hosts: &["198.51.100.10:465"], guards: &[Switch("dport 465 ")] },
    Class { name: "submission", hosts: &["198.51.100.10:587"], guards: &[Switch("dport 587 ")] },
];

fn urls(hosts: &[&str]) -> Vec<String> {
    hosts.iter().map(|host| format!("http://{host}/")).collect()
}

#[tokio::test]
async fn what_is_refused_abroad() -> Result<()> {
    let ground = open_ground()?;
    for class in ABROAD {
        let (net, urls) = (ground.net("open").await?, urls(class.hosts));
        for guard in class.guards {
            ensure_refused(&net.session, &urls, &format!("{}, before {guard:?} is gone", class.name)).await?;
            guard.remove(&ground, &net).context(class.name)?;
        }
        ensure_reached(&net.session, &urls, class.name).await?;
        net.session.close().await?;
    }
    Ok(())
}

/// Addresses of gateway and host towards each other. Their own guards are every session's: once gone they stay away.
const NODE: &[Class] = &[
    Class {
        name: "the gateway",
        hosts: &["100.64.0.2"],
        guards: &[Switch("@refused4"), Switch("@private4"), GatewayInput],
    },
    Class {
        name: "the gateway by IPv6",
        hosts: &["[fd53:616e:646c:ffff::2]"],
        guards: &[Switch("@refused6"), Switch("@private6")],
    },
    Class {
        name: "the host's end",
        hosts: &["100.64.0.1", "1681915905"],
        guards: &[Switch("@refused4"), Switch("@private4"), Host],
    },
    Class {
        name: "the host's end by IPv6",
        hosts: &["[fd53:616e:646c:ffff::1]"],
        guards: &[Switch("@refused6"), Switch("@private6")],
    },
];
/// Those that only the host itself refuses.
const HOST: &[&str] = &["203.0.113.2", "3405803778", "0xcb007102", "[::ffff:203.0.113.2]", "[2001:db8:1::2]"];

#[tokio::test]
async fn no_session_reaches_the_node() -> Result<()> {
    let ground = open_ground()?;
    service::on_host(SERVICE)?;
    let strong = ground.net("open").await?;
    service::within(&ground.gateway()?, SERVICE)?;
    let urls =
        |hosts: &[&str]| hosts.iter().map(|host| format!("http://{host}:{SERVICE}/")).collect::<Vec<_>>();
    let all: Vec<&str> = NODE.iter().flat_map(|class| class.hosts).chain(HOST).copied().collect();
    ensure_refused(&strong.session, &urls(&all), "with all guards").await?;
    for class in NODE {
        let (net, urls) = (ground.net("open").await?, urls(class.hosts));
        for guard in class.guards {
            ensure_refused(&net.session, &urls, &format!("{}, before {guard:?} is gone", class.name)).await?;
            guard.remove(&ground, &net).context(class.name)?;
        }
        ensure_reached(&net.session, &urls, class.name).await?;
        net.session.close().await?;
    }
    ensure_reached(&strong.session, &urls(HOST), "without the host's guard").await?;
    strong.session.close().await
}

#[tokio::test]
async fn the_way_out_leads_to_no_other_session() -> Result<()> {
    let ground = open_ground()?;
    let (net, other) = (ground.net("open").await?, ground.net("open").await?);
    service::within(&other.switch, SERVICE)?;
    let addresses = other.switch.output(&["ip", "-o", "address", "show", "dev", "up0", "scope", "global"])?;
    let hosts: Vec<String> = addresses
        .lines()
        .filter_map(|line| line.split_whitespace().nth(3)?.split('/').next())
        .map(|text| if text.contains(':') { format!("[{text}]") } else { text.to_owned() })
        .collect();
    anyhow::ensure!(hosts.len() == 2, "{addresses}");
    let urls: Vec<String> = hosts.iter().map(|host| format!("http://{host}:{SERVICE}/")).collect();
    let switch = ["@refused4", "@private4", "@refused6", "@private6"].map(Switch);
    for guard in switch.into_iter().chain([GatewayForward]) {
        ensure_refused(&net.session, &urls, &format!("before {guard:?} is gone")).await?;
        guard.remove(&ground, &net)?;
    }
    ensure_refused(&net.session, &urls, "before the other switch takes it").await?;
    add_rule(&other.switch, "inet switch input", "accept")?;
    ensure_reached(&net.session, &urls, "without any of them").await?;
    net.session.close().await?;
    other.session.close().await
}
