//! What survives which death: serve, supervisor and guardian, one after the other, under live terminals.

use anyhow::{Context, Result};
use futures_util::future::{join_all, try_join_all};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::{Method, StatusCode};
use sandlot_tests::api::{Api, Session};
use sandlot_tests::node::{Options, TestNode};
use sandlot_tests::terminal::Terminal;
use sandlot_tests::wait::{self, PATIENCE};
use serde_json::{Value, json};

const CROWDED: &str =
    "[limits]\nsessions_per_address = 500\nsessions_per_node = 500\nstarts_per_minute_per_address = 100000\n";

fn crowded_node() -> Result<TestNode> {
    TestNode::with(Options { config: CROWDED.to_owned(), ..Options::default() })
}

fn end_process(pid: u32, signal: Signal) -> Result<()> {
    Ok(kill(Pid::from_raw(pid.cast_signed()), signal)?)
}

/// The parent of a process.
fn parent_of(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|l| l.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// A new connection to the session's first terminal, from `offset` on.
async fn reattach(session: &Session, terminal: &Value, offset: u64) -> Result<Terminal> {
    let id = terminal.as_str().map_or_else(|| terminal.to_string(), str::to_owned);
    let (status, body) = session.request(Method::POST, &format!("/terminals/{id}/tickets"), None).await?;
    anyhow::ensure!(status.is_success(), "ticket: {status} {body}");
    let url = body.get("ws_url").and_then(Value::as_str).context("no ws_url")?;
    Terminal::connect(&format!("{url}&offset={offset}")).await
}

async fn first_terminal(session: &Session) -> Result<Value> {
    let (status, body) = session.request(Method::GET, "/terminals", None).await?;
    let list = body.get("terminals").unwrap_or(&body);
    list.get(0).and_then(|t| t.get("id")).cloned().with_context(|| format!("no terminal: {status} {body}"))
}

#[tokio::test]
async fn a_killed_serve_comes_back_to_every_terminal() -> Result<()> {
    let mut node = TestNode::start()?;
    let session = Api::new(&node.url())?.create("tiny").await?;
    let mut terminal = session.terminal().await?;
    terminal.input(b"x=kept; echo marked-$((1+1))\n").await?;
    terminal.expect("marked-2").await?;
    let id = first_terminal(&session).await?;
    let offset = terminal.offset();

    node.end_serve(Signal::SIGKILL)?;
    node.start_serve()?;

    let mut again = reattach(&session, &id, offset).await?;
    again.input(b"echo $x-$((2+2))\n").await?;
    again.expect("kept-4").await?;
    let (status, _) = session.request(Method::GET, "", None).await?;
    assert_eq!(status, StatusCode::OK);
    again.input(b"exit 5\n").await?;
    assert_eq!(again.control("exit").await?.get("code"), Some(&json!(5)));
    session.close().await
}

#[tokio::test]
async fn what_ends_while_serve_is_away_is_told_afterwards() -> Result<()> {
    let mut node = TestNode::start()?;
    let session = Api::new(&node.url())?.create("tiny").await?;
    let mut terminal = session.terminal().await?;
    terminal.input(b"echo go-$((1+1)); read line < /tmp/gate 2>/dev/null; while [ ! -e /tmp/gate ]; do :; done; echo last words; exit 9\n").await?;
    terminal.expect("go-2").await?;
    let id = first_terminal(&session).await?;
    let offset = terminal.offset();
    session.exec(&["/bin/sh", "-c", "(sleep 1; touch /tmp/gate) >/dev/null 2>&1 </dev/null &"]).await?;
    node.end_serve(Signal::SIGKILL)?;
    // The program ends about a second later, while nobody serves.
    let reaper_gone = std::time::Instant::now();
    wait::until("the gate", PATIENCE, || (reaper_gone.elapsed().as_millis() > 1500).then_some(()))?;
    node.start_serve()?;
    let mut again = reattach(&session, &id, offset).await?;
    again.expect("last words").await?;
    assert_eq!(again.control("exit").await?.get("code"), Some(&json!(9)));
    session.close().await
}

#[tokio::test]
async fn a_killed_supervisor_leaves_nothing_and_the_node_is_ready_again() -> Result<()> {
    let node = crowded_node()?;
    let api = Api::new(&node.url())?;
    let mut sessions = Vec::new();
    for _ in 0..10 {
        sessions.extend(try_join_all((0..10).map(|_| api.create("tiny"))).await?);
    }
    let start = std::time::Instant::now();
    end_process(node.supervisor_pid()?, Signal::SIGKILL)?;
    let ready = || async {
        let (status, body) = api.request(Method::GET, "/readyz", None, None).await.ok()?;
        let known =
            status == StatusCode::OK || (status == StatusCode::SERVICE_UNAVAILABLE && !body.is_null());
        assert!(known, "readyz: {status} {body}");
        (status == StatusCode::OK && start.elapsed().as_millis() > 50).then_some(())
    };
    wait::until_async("the node to be ready again", PATIENCE, ready).await?;
    println!("ready again after {:?} with 100 sessions", start.elapsed());
    for session in &sessions {
        let ended = || async {
            let (_, body) = session.request(Method::GET, "", None).await.ok()?;
            assert_eq!(body.get("end_reason"), Some(&json!("supervisor_lost")), "{body}");
            (body.get("state") == Some(&json!("ended"))).then_some(())
        };
        wait::until_async("the session's final row", PATIENCE, ended).await?;
    }
    api.create("tiny").await?.close().await
}

#[tokio::test]
async fn a_killed_guardian_is_replaced() -> Result<()> {
    let node = TestNode::start()?;
    let session = Api::new(&node.url())?.create("tiny").await?;
    let supervisor = node.supervisor_pid()?;
    let guardian = parent_of(supervisor).context("the supervisor's parent")?;
    end_process(guardian, Signal::SIGKILL)?;
    let gone = || (!std::path::Path::new(&format!("/proc/{guardian}")).exists()).then_some(());
    wait::until("the guardian's end", PATIENCE, gone)?;
    assert_eq!(node.supervisor_pid()?, supervisor);
    assert_eq!(session.sh("echo alive").await?.1, "alive\n");
    // The new guardian guards: it brings a supervisor back.
    let another = || {
        let folder = std::fs::read_dir("/proc").ok()?;
        let pids = folder.flatten().filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
        let run = node.run_dir().display().to_string();
        let mut lines = pids.map(|p| (p, std::fs::read(format!("/proc/{p}/cmdline")).unwrap_or_default()));
        let ours = |line: &[u8]| {
            String::from_utf8_lossy(line).contains(&run)
                && String::from_utf8_lossy(line).contains("supervisor")
        };
        lines.find(|(pid, line)| *pid != supervisor && ours(line)).map(|(pid, _)| pid)
    };
    wait::until("a new guardian", PATIENCE, another)?;
    end_process(supervisor, Signal::SIGKILL)?;
    wait::until("a new supervisor", PATIENCE, || node.supervisor_pid().ok().filter(|p| *p != supervisor))?;
    Ok(())
}

/// Replacing serve and supervisor under terminals that print all the time: no byte, exit code or session may be lost.
#[tokio::test]
async fn an_upgrade_under_fifty_terminals_loses_nothing() -> Result<()> {
    let mut node = crowded_node()?;
    let api = Api::new(&node.url())?;
    let mut sessions = Vec::new();
    for _ in 0..10 {
        sessions.extend(try_join_all((0..5).map(|_| api.create("tiny"))).await?);
    }
    let mut viewers = Vec::new();
    for session in sessions {
        let mut terminal = session.terminal().await?;
        terminal.input(b"stty -echo -opost; echo begin-$((1+1)); i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo line $i; usleep 20000; done; exit 4\n").await?;
        terminal.expect("begin-2").await?;
        let id = first_terminal(&session).await?;
        viewers.push((session, terminal, id));
    }
    let reexec = {
        let path = node.run_dir().join("supervisor.sock");
        tokio::task::spawn_blocking(move || -> Result<()> {
            let mut client = sandlot_runtime::supervisor::client::Client::connect(&path)?;
            client.hello()?;
            client.call(sandlot_runtime::supervisor::protocol::Request::Reexec, &[])?;
            Ok(())
        })
    };
    reexec.await??;
    node.end_serve(Signal::SIGTERM)?;
    node.start_serve()?;
    let results = join_all(viewers.into_iter().map(|(session, mut terminal, id)| async move {
        // What the old serve still sent before it went.
        terminal.closed(PATIENCE).await?;
        let mut again = reattach(&session, &id, terminal.offset()).await?;
        let exit = again.control("exit").await?;
        anyhow::ensure!(exit.get("code") == Some(&json!(4)), "{exit}");
        let mut all = terminal.output.clone();
        all.extend_from_slice(&again.output);
        let text = String::from_utf8_lossy(&all).into_owned();
        let printed = text.split_once("begin-2\n").context("no begin")?.1;
        let expected: String = (1..=400).map(|i| format!("line {i}\n")).collect();
        anyhow::ensure!(
            printed.starts_with(&expected),
            "bytes were lost or doubled: {} of {}",
            printed.len(),
            expected.len()
        );
        anyhow::Ok(())
    }))
    .await;
    for result in results {
        result.with_context(|| node.log())?;
    }
    Ok(())
}
