//! Containment as the users of a node meet it: sessions among themselves, floods, and what a taken-over serve could do.
//! The attacks on the runtime itself are in `attacks`.

#[path = "containment/floods.rs"]
mod floods;
#[path = "containment/hostile_serve.rs"]
mod hostile_serve;
#[path = "containment/inside.rs"]
mod inside;
#[path = "containment/neighbours.rs"]
mod neighbours;
#[path = "containment/serve.rs"]
mod serve;

use std::process::{Command, Output};

use anyhow::{Context, Result};
use sandlot_tests::api::Session;
use sandlot_tests::node::{Options, TestNode, binary};
use serde_json::Value;

/// Playgrounds of the small image: `small` and, with more of everything, `large`; `open` lets user namespaces in.
const PLAYGROUNDS: &str = r#"
[limits]
sessions_per_address = 100
sessions_per_node = 100
starts_per_minute_per_address = 1000
[playgrounds.small]
image = "tiny"
memory = "48 MiB"
pids = 40
disk = "16 MiB"
[playgrounds.large]
image = "tiny"
memory = "256 MiB"
pids = 400
disk = "128 MiB"
[playgrounds.slow]
image = "tiny"
io = "2 MiB"
[playgrounds.learner]
image = "tiny"
user = "learner"
[playgrounds.open]
image = "tiny"
user_namespaces = true
"#;

fn node() -> Result<TestNode> {
    TestNode::with(Options { config: PLAYGROUNDS.to_owned(), ..Options::default() })
}

/// Runs a line in the shell and expects it to end well; returns what it said.
async fn say(session: &Session, line: &str) -> Result<String> {
    let (code, output) = session.sh(line).await?;
    anyhow::ensure!(code == 0, "`{line}` ended with {code}: {output}");
    Ok(output)
}

/// Asks for an exec with every field in the hands of the caller.
async fn exec(session: &Session, request: Value) -> Result<(reqwest::StatusCode, Value)> {
    session.request(reqwest::Method::POST, "/instances/m1/exec", Some(request)).await
}

/// Runs the probe on the host as another user.
fn probe_as(uid: u32, attack: &[&str]) -> Result<Output> {
    let ids = [format!("--reuid={uid}"), format!("--regid={uid}")];
    // The binary may lie where only root may go.
    let folder = tempfile::Builder::new().prefix("sandlot-probe-").tempdir()?;
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let program = folder.path().join("sandlot-probe");
    std::fs::copy(binary("sandlot-probe")?, &program)?;
    Command::new("setpriv")
        .args(ids)
        .arg("--clear-groups")
        .arg(program)
        .args(attack)
        .output()
        .context("run setpriv")
}

/// The words of a probe's refusal; an error when it was not refused.
fn refusal(output: &Output) -> Result<String> {
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    anyhow::ensure!(
        output.status.code() == Some(1) && said.starts_with("refused"),
        "not refused: {output:?}"
    );
    Ok(said)
}
