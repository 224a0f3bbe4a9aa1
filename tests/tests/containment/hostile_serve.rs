//! A serve that was taken over: its user on the host, and on the supervisor's socket.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sandlot_runtime::supervisor::client::Client;
use sandlot_runtime::supervisor::protocol::{Reply, Request};
use sandlot_tests::api::Api;
use sandlot_tests::node::{TestNode, binary};

use crate::{node, probe_as, refusal};

/// An answer that takes longer is as good as none.
const SOON: Duration = Duration::from_secs(3);

/// The probe as serve's user, until it is dropped.
struct Hostile(Child, #[expect(dead_code, reason = "removed with its program on drop")] tempfile::TempDir);

impl Hostile {
    #[expect(clippy::disallowed_methods, reason = "a test may spawn")]
    /// Starts it; `ready` is what it says first, with at least `count` behind it.
    fn start(node: &TestNode, attack: &[&str], ready: &str, count: usize) -> Result<Self> {
        let ids = [format!("--reuid={}", node.serve_uid()), format!("--regid={}", node.serve_uid())];
        let folder = tempfile::Builder::new().prefix("sandlot-probe-").tempdir()?;
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let program = folder.path().join("sandlot-probe");
        std::fs::copy(binary("sandlot-probe")?, &program)?;
        let socket = node.run_dir().join("supervisor.sock");
        let (name, rest) = attack.split_first().context("no attack")?;
        let mut child = Command::new("setpriv")
            .args(ids)
            .arg("--clear-groups")
            .arg(program)
            .arg(name)
            .arg(socket)
            .args(rest)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut said = String::new();
        BufReader::new(child.stdout.as_mut().context("stdout")?).read_line(&mut said)?;
        let held = said.trim().strip_prefix(ready).and_then(|rest| rest.trim().parse::<usize>().ok());
        ensure!(held.is_some_and(|held| held >= count), "{attack:?} said {said:?}");
        Ok(Self(child, folder))
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        // What has ended already needs no more of it.
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

fn facts_as_root(node: &TestNode) -> Result<Duration> {
    let start = Instant::now();
    let mut client = Client::connect(&node.run_dir().join("supervisor.sock"))?;
    client.set_timeout(SOON);
    client.hello()?;
    let (reply, _) = client.call(Request::Facts, &[])?;
    ensure!(matches!(reply, Reply::Facts(_)), "{reply:?}");
    Ok(start.elapsed())
}

#[tokio::test]
async fn the_users_of_a_node_reach_nothing_of_roots() -> Result<()> {
    let node = node()?;
    let supervisor = node.supervisor_pid()?.to_string();
    let run = node.run_dir().display().to_string();
    let parent = node.cgroup_parent();
    let roots = [
        format!("{run}/node.json"),
        format!("{run}/supervisor.lock"),
        format!("/proc/{supervisor}/mem"),
        format!("/sys/fs/cgroup/pids/{parent}/cgroup.procs"),
        format!("/sys/fs/cgroup/{parent}/cgroup.procs"),
        format!("{}/node/x", node.state_dir().display()),
    ];
    let secrets = [
        format!("{run}/node.json"),
        format!("/proc/{supervisor}/fd"),
        format!("/proc/{supervisor}/environ"),
        format!("/proc/{supervisor}/exe"),
    ];
    let with = |name: &'static str, paths: &[String]| -> Vec<String> {
        std::iter::once(name.to_owned()).chain(paths.iter().cloned()).collect()
    };
    for uid in [node.serve_uid(), node.uid_base(), node.uid_base() + 65_536, 65_534] {
        for attack in [
            with("write", &roots),
            with("read", &secrets),
            vec!["signal-process".to_owned(), supervisor.clone()],
        ] {
            let words: Vec<&str> = attack.iter().map(String::as_str).collect();
            refusal(&probe_as(uid, &words)?).with_context(|| format!("{attack:?} as {uid}"))?;
            ensure!(probe_as(0, &words)?.status.success(), "{attack:?} does not even work as root");
        }
    }
    // Of all of them only serve may connect to the supervisor.
    let socket = format!("{run}/supervisor.sock");
    for uid in [node.uid_base(), node.uid_base() + 65_536, 65_534] {
        refusal(&probe_as(uid, &["connect-supervisor", &socket])?)?;
    }
    ensure!(
        probe_as(node.serve_uid(), &["connect-supervisor", &socket])?.status.success(),
        "serve must connect"
    );
    Ok(())
}

/// Connections are bounded, and some of them are root's.
#[tokio::test]
async fn it_cannot_keep_the_operator_out() -> Result<()> {
    let node = node()?;
    let hostile = Hostile::start(&node, &["hold-connections", "200"], "holding", 16)?;
    let took = facts_as_root(&node)?;
    println!("root was answered after {took:?}");
    drop(hostile);
    facts_as_root(&node)?;
    Ok(())
}

/// Layers that never come take no worker that a session needs, and the loop goes on.
#[tokio::test]
async fn layers_that_never_come_stop_nobody() -> Result<()> {
    let node = node()?;
    let api = Api::new(&node.url())?;
    let _hostile = Hostile::start(&node, &["stall-unpacks", "60"], "stalled", 60)?;
    facts_as_root(&node)?;
    let start = Instant::now();
    let session = api.create("tiny").await?;
    ensure!(session.sh("echo alive").await?.1 == "alive\n", "the session does not answer");
    ensure!(start.elapsed() < SOON, "a session took {:?}", start.elapsed());
    session.close().await
}
