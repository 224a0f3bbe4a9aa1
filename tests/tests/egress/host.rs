//! A host that lets nothing pass, as Docker and ufw leave it: what `doctor` says, and what `--configure-host` changes.

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandlot_tests::api::{Api, Session};
use sandlot_tests::node::{Options, TestNode};
use sandlot_tests::wait::{self, PATIENCE};

use crate::fetch;
use crate::world::{World, output, run};

const CONFIG: &str = r#"
name-servers = ["203.0.113.1"]

[playgrounds.open]
image = "tiny"
egress = "nat"
"#;

/// Docker's chains, and a rule of an operator's own.
const DOCKER: &str = r#"for f in ip ip6; do nft "table $f filter {
    chain DOCKER-USER { iifname eth9 counter drop comment \"mine\"; }
    chain DOCKER-FORWARD { iifname docker0 counter accept; }
    chain FORWARD {
        type filter hook forward priority filter; policy drop;
        counter jump DOCKER-USER; counter jump DOCKER-FORWARD;
    }
}"; done"#;
/// ufw's: the last chain tells the sender.
const UFW: &str = r#"for f in ip: ip6:6; do u=ufw${f#*:}; nft "table ${f%:*} filter {
    chain $u-before-forward { ct state related,established counter accept; }
    chain $u-user-forward { }
    chain $u-reject-forward { counter reject; }
    chain FORWARD {
        type filter hook forward priority filter; policy drop;
        counter jump $u-before-forward; counter jump $u-user-forward; counter jump $u-reject-forward;
    }
}"; done"#;
/// Docker's, by the program with which it makes them.
const IPTABLES: &str = "for t in iptables-nft ip6tables-nft; do $t -P FORWARD DROP; $t -N DOCKER-USER; \
                        $t -A FORWARD -j DOCKER-USER; \
                        $t -A DOCKER-USER -i eth9 -m comment --comment 'mine' -j DROP; done";
/// A table of nftables whose policy accepts, and whose last rule does not.
const LAST_RULE: &str = "nft 'table inet own { chain forward { type filter hook forward priority 10; \
                         ct state established accept; counter reject with icmpx admin-prohibited; }; }'";

/// Those of links that are not ours.
const SETTINGS: &str = "cd /proc/sys/net; cat ipv4/ip_forward ipv4/conf/all/accept_redirects ipv6/conf/eth0/accept_ra; \
                        for l in all default eth0 eth9 lo; do cat ipv4/conf/$l/forwarding ipv6/conf/$l/forwarding; done";
const ELSEWHERE: &str = "http://198.51.100.10/";
const ELSEWHERE_V6: &str = "http://[2001:db8:2::10]/";

/// A host that forwards nothing, with these filters.
fn closed(filters: &str) -> World {
    let world = World::enter();
    run("echo 0 >/proc/sys/net/ipv4/ip_forward; echo 0 >/proc/sys/net/ipv6/conf/all/forwarding");
    // One link's value that is not that of all must come back too.
    run("ip link add eth9 type veth peer name eth8; echo 1 >/proc/sys/net/ipv6/conf/eth9/forwarding");
    run(filters);
    world
}

/// All rules without their counts, and all settings.
fn state() -> String {
    output(&format!("nft -s list ruleset; {SETTINGS}"))
}

fn node(option: &str) -> Result<TestNode> {
    TestNode::with(Options { config: format!("{option}\n{CONFIG}"), ..Options::default() })
}

async fn session(node: &TestNode) -> Result<Session> {
    Api::new(&node.url())?.create("open").await
}

fn doctor(node: &TestNode) -> Result<String> {
    Ok(String::from_utf8_lossy(&node.command(&["doctor"])?.output()?.stdout).into_owned())
}

async fn goes_out(session: &Session) -> Result<bool> {
    let (v4, v6) = (fetch(session, ELSEWHERE).await?, fetch(session, ELSEWHERE_V6).await?);
    anyhow::ensure!(v4.is_some() == v6.is_some(), "IPv4 {v4:?}, IPv6 {v6:?}");
    Ok(v4.is_some())
}

async fn ends_as_it_began(filters: &str, named: &[&str]) -> Result<()> {
    let _world = closed(filters);
    let before = state();
    let mut node = node("")?;
    let session_in = session(&node).await?;
    assert!(!goes_out(&session_in).await?);
    let said = doctor(&node)?;
    let forwarding = ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "--configure-host"];
    for word in named.iter().chain(&forwarding) {
        assert!(said.contains(word), "{word} is not in {said}");
    }
    session_in.close().await?;
    node.end()?;
    assert_eq!(state(), before, "without the option");

    let mut node = self::node("configure-host = true")?;
    assert!(!doctor(&node)?.contains("warn  forward"), "{}", doctor(&node)?);
    let session_in = session(&node).await?;
    assert!(goes_out(&session_in).await?, "{}\n{}", node.log(), state());
    // A second one finds all in place.
    let changed = state();
    let second = session(&node).await?;
    assert_eq!(state(), changed);
    second.close().await?;
    session_in.close().await?;
    node.end()?;
    assert_eq!(state(), before, "after the end");
    Ok(())
}

#[tokio::test]
async fn beside_docker_sessions_go_out_with_the_option() -> Result<()> {
    ends_as_it_began(DOCKER, &["ip filter FORWARD", "ip6 filter FORWARD"]).await
}

#[tokio::test]
async fn beside_iptables_rules_are_shown_and_nothing_is_strange_to_it() -> Result<()> {
    ends_as_it_began(IPTABLES, &["ip filter FORWARD", "ip6 filter FORWARD"]).await?;
    let _world = closed(IPTABLES);
    let mut node = node("configure-host = true")?;
    session(&node).await?.close().await?;
    let shown = output("iptables-nft -S FORWARD 2>&1; ip6tables-nft-save 2>&1");
    for way in ["-i", "-o"] {
        let rule = format!("-A FORWARD {way} sl-out -m comment --comment \"sandlot sl-out\" -j ACCEPT");
        assert_eq!(shown.matches(&rule).count(), 2, "{shown}");
    }
    assert!(!shown.contains("incompatible"), "{shown}");
    // What iptables has saved and loaded again is still known for ours.
    run(
        "iptables-nft-save >/tmp/sandlot-rules.$$; iptables-nft-restore </tmp/sandlot-rules.$$; rm /tmp/sandlot-rules.$$",
    );
    node.end()?;
    let left = output("iptables-nft-save; ip6tables-nft-save");
    assert!(!left.contains("sl-out") && left.contains("mine"), "{left}");
    Ok(())
}

#[tokio::test]
async fn beside_ufw_sessions_go_out_with_the_option() -> Result<()> {
    ends_as_it_began(UFW, &["ip filter FORWARD", "ip6 filter FORWARD"]).await
}

#[tokio::test]
async fn a_last_rule_that_refuses_is_found_too() -> Result<()> {
    ends_as_it_began(LAST_RULE, &["inet own forward"]).await
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test may spawn")]
async fn a_table_of_a_running_program_is_told_of_and_left_alone() -> Result<()> {
    let _world = closed("true");
    let mut owner =
        std::process::Command::new("nft").arg("-i").stdin(std::process::Stdio::piped()).spawn()?;
    let mut words = owner.stdin.take().context("no input")?;
    std::io::Write::write_all(
        &mut words,
        b"add table inet own { flags owner; }\n\
          add chain inet own forward { type filter hook forward priority 0; policy drop; }\n",
    )?;
    let is_there = || output("nft list ruleset").contains("policy drop").then_some(());
    wait::until("the table", PATIENCE, is_there)?;
    let before = state();
    let mut node = node("configure-host = true")?;
    let said = doctor(&node)?;
    assert!(said.contains("belong to a running program: inet own forward"), "{said}");
    let session_in = session(&node).await?;
    assert!(!goes_out(&session_in).await?);
    assert!(
        node.log().contains("change `inet own forward`, which belongs to a running program"),
        "{}",
        node.log()
    );
    session_in.close().await?;
    node.end()?;
    assert_eq!(state(), before);
    drop(words);
    owner.wait()?;
    Ok(())
}

#[tokio::test]
async fn what_a_killed_node_left_is_taken_back() -> Result<()> {
    let _world = closed(DOCKER);
    let before = state();
    let mut node = node("configure-host = true")?;
    assert!(goes_out(&session(&node).await?).await?);
    let old = node.supervisor_pid()?;
    kill(Pid::from_raw(old.cast_signed()), Signal::SIGKILL)?;
    let is_new = || node.supervisor_pid().ok().filter(|pid| *pid != old);
    wait::until("another supervisor", PATIENCE, is_new)?;
    wait::until("the host as it was", PATIENCE, || (state() == before).then_some(()))
        .with_context(|| format!("{}\n{}", node.log(), state()))?;
    let session_in = wait_for_session(&node).await?;
    assert!(goes_out(&session_in).await?);
    session_in.close().await?;
    node.end()?;
    assert_eq!(state(), before);
    Ok(())
}

/// Sessions that were lost are noticed by serve a moment later.
async fn wait_for_session(node: &TestNode) -> Result<Session> {
    let end = std::time::Instant::now() + PATIENCE;
    loop {
        match session(node).await {
            Err(error) if std::time::Instant::now() > end => return Err(error),
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            Ok(session) => return Ok(session),
        }
    }
}

#[tokio::test]
async fn a_reload_of_the_filters_costs_only_sessions_until_the_next() -> Result<()> {
    let _world = closed(DOCKER);
    let mut node = node("configure-host = true")?;
    let first = session(&node).await?;
    assert!(goes_out(&first).await?);
    run("nft flush chain ip filter FORWARD; nft flush chain ip6 filter FORWARD");
    assert!(!goes_out(&first).await?);
    let second = session(&node).await?;
    assert!(goes_out(&second).await?);
    assert!(goes_out(&first).await?);
    first.close().await?;
    second.close().await?;
    node.end()
}

#[tokio::test]
async fn a_node_that_runs_takes_the_option_with_the_next_start_of_serve() -> Result<()> {
    let _world = closed(UFW);
    let before = state();
    let mut node = node("")?;
    let first = session(&node).await?;
    assert!(!goes_out(&first).await?);
    node.end_serve(Signal::SIGTERM)?;
    node.set_arguments(vec!["--configure-host".to_owned()]);
    node.start_serve()?;
    let second = session(&node).await?;
    assert!(goes_out(&second).await? && goes_out(&first).await?);
    first.close().await?;
    second.close().await?;
    // Both processes are killed: `down` finds nobody, and what they have left.
    node.end_serve(Signal::SIGKILL)?;
    kill_both(&node)?;
    let said = node.command(&["down"])?.output()?;
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    assert_eq!(state(), before);
    node.start_serve()
}

/// The guardian starts no other supervisor while it is stopped.
fn kill_both(node: &TestNode) -> Result<()> {
    let supervisor = node.supervisor_pid()?;
    let status = std::fs::read_to_string(format!("/proc/{supervisor}/status"))?;
    let guardian = status.lines().find_map(|line| line.strip_prefix("PPid:")).context("no parent")?;
    let (guardian, supervisor) =
        (Pid::from_raw(guardian.trim().parse()?), Pid::from_raw(supervisor.cast_signed()));
    kill(guardian, Signal::SIGSTOP)?;
    kill(supervisor, Signal::SIGKILL)?;
    kill(guardian, Signal::SIGKILL)?;
    wait::until("the end of both", PATIENCE, || node.supervisor_pid().is_err().then_some(()))
}

#[tokio::test]
async fn what_others_have_changed_since_stays() -> Result<()> {
    let _world = closed(DOCKER);
    let mut node = node("configure-host = true")?;
    session(&node).await?.close().await?;
    // Somebody turns it off, for reasons of his own, and takes our rule away.
    run("echo 0 >/proc/sys/net/ipv4/ip_forward; nft flush chain ip filter FORWARD; \
         nft 'chain ip filter FORWARD { policy accept; }'");
    let look = "nft -s list table ip filter; cat /proc/sys/net/ipv4/ip_forward";
    let before = output(look);
    node.end()?;
    assert_eq!(output(look), before);
    Ok(())
}

#[tokio::test]
async fn a_route_that_was_learned_stays_when_forwarding_is_turned_on() -> Result<()> {
    let world = closed("true");
    run("ip -6 route del default; echo 1 >/proc/sys/net/ipv6/conf/eth0/accept_ra");
    world.advertise_router()?;
    let learned = || output("ip -6 route show default").contains("proto ra").then_some(());
    wait::until("a learned route", PATIENCE, learned)?;
    let before = state();
    let mut node = node("")?;
    assert!(doctor(&node)?.contains("net.ipv6.conf.eth0.accept_ra=2"), "{}", doctor(&node)?);
    node.end()?;
    let mut node = self::node("configure-host = true")?;
    let session_in = session(&node).await?;
    assert!(goes_out(&session_in).await?, "{}", node.log());
    assert_eq!(output("cat /proc/sys/net/ipv6/conf/eth0/accept_ra"), "2\n");
    session_in.close().await?;
    node.end()?;
    assert_eq!(state(), before);
    learned().context("the route is gone")
}
