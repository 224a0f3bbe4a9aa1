//! The way out of a session, against servers in network namespaces of the test's own.
#![expect(clippy::unwrap_used, reason = "a test may panic, also in its fixtures")]

mod ground;
mod guard;
mod host;
mod mtu;
mod names;
mod question;
mod rebinding;
mod refusals;
mod service;
mod world;

use anyhow::Result;
use ground::{fetch, ground};
use reqwest::StatusCode;
use sandlot_tests::api::Api;
use sandlot_tests::wait::{self, PATIENCE};

#[tokio::test]
async fn without_a_way_out_nothing_is_reached() -> Result<()> {
    let ground = ground()?;
    let session = ground.session("none").await?;
    for url in ["http://198.51.100.10/", "http://web.example/", "http://203.0.113.1/"] {
        assert_eq!(fetch(&session, url).await?, None, "{url}");
    }
    let site = ground.node.address().port();
    for host in ["203.0.113.2", "10.99.0.1", "127.0.0.1", "[fd53:616e:646c::1]"] {
        assert_eq!(fetch(&session, &format!("http://{host}:{site}/healthz")).await?, None, "{host}");
    }
    let (_, text) = session.sh("ip route").await?;
    assert!(!text.contains("default"), "{text}");
    session.close().await
}

#[tokio::test]
async fn an_open_way_leads_everywhere_but_to_what_is_refused() -> Result<()> {
    let ground = ground()?;
    let session = ground.session("open").await?;
    // The servers see the node's address and no other.
    let seen = Some("203.0.113.2".to_owned());
    assert_eq!(fetch(&session, "http://198.51.100.10/").await?, seen);
    assert_eq!(fetch(&session, "http://web.example/").await?, seen);
    assert_eq!(fetch(&session, "http://198.51.100.10:8080/").await?, seen);
    assert_eq!(fetch(&session, "http://[2001:db8:2::10]/").await?.as_deref(), Some("2001:db8:1::2"));
    for url in [
        "http://[fd12::5]/",
        "http://[2001:db8:1::2]/",
        "http://198.51.100.20/",
        "http://denied.example/",
        "http://10.20.0.5/",
        "http://private.example/",
        "http://169.254.169.254/",
        "http://metadata.example/",
        "http://203.0.113.2/",
        "http://100.64.0.1/",
        "http://100.64.0.2/",
        "http://198.51.100.10:25/",
        "http://[::ffff:198.51.100.20]/",
    ] {
        assert_eq!(fetch(&session, url).await?, None, "{url}");
    }
    let site = ground.node.address().port();
    // Numbers and shortened forms of the loopback lead to the instance's own.
    let hosts = [
        "203.0.113.2",
        "[::ffff:203.0.113.2]",
        "100.64.0.1",
        "10.99.0.1",
        "127.0.0.1",
        "2130706433",
        "127.1",
    ];
    for host in hosts {
        assert_eq!(fetch(&session, &format!("http://{host}:{site}/healthz")).await?, None, "{host}");
    }
    let (_, text) = session.sh("ping -c 1 -W 2 198.51.100.10").await?;
    assert!(text.contains(" 0% packet loss"), "{text}");
    session.close().await
}

#[tokio::test]
async fn a_list_opens_names_networks_and_ports_and_nothing_else() -> Result<()> {
    let ground = ground()?;
    let session = ground.session("some").await?;
    // An address is reached once its name was asked for, and only at the port of the list.
    assert_eq!(fetch(&session, "http://198.51.100.10/").await?, None);
    assert!(fetch(&session, "http://web.example/").await?.is_some());
    assert!(fetch(&session, "http://198.51.100.10/").await?.is_some());
    assert_eq!(fetch(&session, "http://web.example:8080/").await?, None);
    assert!(fetch(&session, "http://198.51.100.20:8080/").await?.is_some());
    assert_eq!(fetch(&session, "http://198.51.100.20/").await?, None);
    assert!(fetch(&session, "http://10.20.0.5/").await?.is_some());
    assert_eq!(fetch(&session, "http://10.30.0.5/").await?, None);
    assert!(
        fetch(&session, "http://private.example/").await?.is_some(),
        "networks are listed: any name may lead there"
    );
    assert_eq!(fetch(&session, "http://other.example/").await?, None);
    session.close().await
}

#[tokio::test]
async fn sessions_and_host_reach_no_other_session() -> Result<()> {
    let ground = ground()?;
    let (one, other) = (ground.session("open").await?, ground.session("open").await?);
    let (code, text) = other.sh("echo secret >/tmp/index.html; httpd -p 80 -h /tmp").await?;
    assert_eq!(code, 0, "{text}");
    let (_, own) = other.sh("wget -qO- http://10.99.0.11/").await?;
    assert_eq!(own, "secret\n");
    // Addresses that the switches have towards the gateway.
    for number in 1..=3 {
        let url = format!("http://100.64.1.{number}/");
        assert_eq!(fetch(&one, &url).await?, None, "{url}");
        assert!(!world::reaches(&format!("100.64.1.{number}:80")), "{url} from the host");
    }
    assert!(!world::reaches("10.99.0.11:80"));
    one.close().await?;
    other.close().await
}

#[tokio::test]
async fn what_goes_out_is_bounded() -> Result<()> {
    let ground = ground()?;
    let open = ground.session("open").await?;
    let begun = std::time::Instant::now();
    let (code, text) = open.sh("wget -qO- http://198.51.100.10:9000/ | wc -c").await?;
    assert_eq!((code, text.trim()), (0, "4194304"));
    let took = begun.elapsed().as_secs_f64();
    assert!((2.5..12.0).contains(&took), "4 MiB at 1 MiB/s took {took} s");
    let slow = ground.session("slow").await?;
    let many = "n=0; for i in $(seq 60); do timeout 1 wget -qO- http://198.51.100.10/ >/dev/null 2>&1 & done; wait; \
                timeout 3 wget -qO- http://198.51.100.10/count";
    let (_, text) = slow.sh(many).await?;
    let count: u32 = text.trim().parse().unwrap_or_else(|_| panic!("{text}"));
    assert!(count < 40, "{count} of 60 connections in about a second passed a limit of 5");
    open.close().await?;
    slow.close().await
}

#[tokio::test]
async fn the_way_out_outlives_serve_and_leaves_nothing() -> Result<()> {
    let mut ground = ground()?;
    let session = ground.session("some").await?;
    assert!(fetch(&session, "http://web.example/").await?.is_some());
    ground.node.end_serve(nix::sys::signal::Signal::SIGKILL)?;
    ground.node.start_serve()?;
    assert!(fetch(&session, "http://web.example/").await?.is_some());
    session.close().await?;
    ground.node.end()?;
    // The kernel removes the links of a namespace a moment after its end.
    let is_clean = || (!world::output("ip -o link show").contains("sl-out")).then_some(());
    wait::until("the end of the link", PATIENCE, is_clean)?;
    assert_eq!(world::output("nft list ruleset"), "");
    Ok(())
}

#[tokio::test]
async fn a_new_supervisor_has_a_way_out() -> Result<()> {
    let ground = ground()?;
    let session = ground.session("some").await?;
    let supervisor = |signal| -> Result<()> {
        let pid = nix::unistd::Pid::from_raw(ground.node.supervisor_pid()?.cast_signed());
        Ok(nix::sys::signal::kill(pid, signal)?)
    };
    // It replaces itself, and keeps the gateway.
    supervisor(nix::sys::signal::Signal::SIGHUP)?;
    for session in [session, ground.session("some").await?] {
        assert!(fetch(&session, "http://web.example/").await?.is_some());
    }
    // Another one makes another.
    supervisor(nix::sys::signal::Signal::SIGKILL)?;
    let end = std::time::Instant::now() + PATIENCE;
    let session = loop {
        match ground.session("some").await {
            Err(error) if std::time::Instant::now() > end => return Err(error),
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            Ok(session) => break session,
        }
    };
    assert!(fetch(&session, "http://web.example/").await?.is_some());
    session.close().await
}

#[tokio::test]
async fn a_host_that_forwards_nothing_says_so() -> Result<()> {
    let ground = ground()?;
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "0")?;
    let said = ground.node.command(&["doctor"])?.output()?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("net.ipv4.ip_forward"), "{said}");
    let (status, _) =
        Api::new(&ground.node.url())?.request(reqwest::Method::GET, "/healthz", None, None).await?;
    assert_eq!(status, StatusCode::OK);
    Ok(())
}
