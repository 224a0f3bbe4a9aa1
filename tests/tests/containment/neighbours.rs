//! Two sessions of one node know nothing of each other.

use anyhow::{Context, Result, ensure};
use sandlot_tests::api::{Api, Session};

use crate::{node, say};

/// What one session looks for of the other; each finds it in its own instance, so that no search is blind.
const SEARCHES: &[(&str, &str)] = &[
    ("process", "grep -lsa s3cret[-]process /proc/[0-9]*/cmdline | grep ."),
    ("file", "cat /tmp/s3cret-file"),
    ("shared memory", "cat /dev/shm/s3cret-shm"),
    ("terminal", "ls /dev/pts | grep '^0$'"),
    ("listener", "nc -w 1 127.0.0.1 4711 </dev/null | grep s3cret"),
    ("mount", "grep s3cret /proc/self/mountinfo"),
];

/// Leaves every mark, and something that listens.
const MARKS: &str = "echo x > /tmp/s3cret-file; echo x > /dev/shm/s3cret-shm; \
    (while :; do echo s3cret | nc -l -p 4711; done) >/dev/null 2>&1 </dev/null & \
    (sh -c 'while :; do sleep 1000; done' s3cret-process) >/dev/null 2>&1 </dev/null & \
    i=0; until grep -q ':1267 ' /proc/net/tcp || [ $i -gt 100 ]; do i=$((i+1)); sleep 0.05; done";

async fn host_range(session: &Session) -> Result<u32> {
    let map = say(session, "cat /proc/self/uid_map").await?;
    map.split_whitespace().nth(1).context("no map")?.parse().context("not a number")
}

#[tokio::test]
async fn two_sessions_do_not_see_each_other() -> Result<()> {
    let node = node()?;
    let api = Api::new(&node.url())?;
    let (one, other) = (api.create("tiny").await?, api.create("tiny").await?);
    let mut terminal = one.terminal().await?;
    terminal.input(b"echo up-$((1+1))\n").await?;
    terminal.expect("up-2").await?;
    say(&one, MARKS).await?;
    for (what, search) in SEARCHES.iter().filter(|(what, _)| *what != "mount") {
        let (code, found) = one.sh(search).await?;
        ensure!(code == 0, "the {what} is not even found in its own session: {found}");
    }
    for (what, search) in SEARCHES {
        let (code, found) = other.sh(search).await?;
        ensure!(code != 0, "the {what} of another session: {found}");
    }
    let (a, b) = (host_range(&one).await?, host_range(&other).await?);
    ensure!(
        a != b && a > node.uid_base() && b > node.uid_base(),
        "ranges {a} and {b} of a node at {}",
        node.uid_base()
    );
    Ok(())
}

/// No handler reaches an instance without the proof for its own session.
#[tokio::test]
async fn a_token_opens_only_its_own_session() -> Result<()> {
    let node = node()?;
    let api = Api::new(&node.url())?;
    let (one, other) = (api.create("tiny").await?, api.create("tiny").await?);
    let mut thief = one.clone();
    thief.token = other.token.clone();
    for (method, below) in [
        (reqwest::Method::GET, ""),
        (reqwest::Method::DELETE, ""),
        (reqwest::Method::POST, "/extend"),
        (reqwest::Method::GET, "/terminals"),
    ] {
        let (status, body) = thief.request(method.clone(), below, None).await?;
        ensure!(status == reqwest::StatusCode::NOT_FOUND, "{method} {below}: {status} {body}");
    }
    let run = serde_json::json!({ "argv": ["true"] });
    let (status, body) = thief.request(reqwest::Method::POST, "/instances/m1/exec", Some(run)).await?;
    ensure!(status == reqwest::StatusCode::NOT_FOUND, "{status} {body}");
    ensure!(one.sh("echo alive").await?.1 == "alive\n", "the session was harmed");
    Ok(())
}
