//! The main job on the real kernel: a session, a terminal, a shell, an exec, and nothing left.

use anyhow::Result;
use reqwest::Method;
use sandlot_tests::api::Api;
use sandlot_tests::node::TestNode;
use serde_json::json;

#[tokio::test]
async fn a_session_gives_a_contained_shell() -> Result<()> {
    let node = TestNode::start()?;
    let session = Api::new(&node.url())?.create("tiny").await?;

    let mut terminal = session.terminal().await?;
    terminal.input(b"echo $((6*7)) $(tty) $(hostname) $TERM $COLORTERM; stty size\n").await?;
    terminal.expect("42 /dev/pts/0 node1 xterm-256color truecolor").await?;
    terminal.expect("24 80").await?;
    terminal.resize(50, 132).await?;
    terminal.input(b"stty size\n").await?;
    terminal.expect("50 132").await?;
    terminal.input(b"exit 7\n").await?;
    let exit = terminal.control("exit").await?;
    assert_eq!(exit.get("code"), Some(&json!(7)), "{exit}");

    let (code, output) = session.sh("id -u; cat /proc/1/comm; echo to-stderr >&2; exit 3").await?;
    assert_eq!(code, 3, "{output}");
    assert!(output.starts_with("0\nsandlot-reaper\n") && output.ends_with("to-stderr\n"), "{output}");

    session.close().await?;
    let (status, body) = session.request(Method::GET, "", None).await?;
    assert_eq!(body.get("state"), Some(&json!("ended")), "{status} {body}");
    Ok(())
}

#[tokio::test]
async fn twenty_sessions_at_once_all_start() -> Result<()> {
    let node = TestNode::start()?;
    let api = Api::new(&node.url())?;
    let all = (0..20).map(|_| async {
        let session = api.create("tiny").await?;
        let mut terminal = session.terminal().await?;
        terminal.input(b"echo up-$((1+1))\n").await?;
        terminal.expect("up-2").await
    });
    for one in futures_util::future::join_all(all).await {
        one?;
    }
    Ok(())
}
