//! The two systemd units on a host that systemd runs: restarting either keeps a running shell.
//!
//! Installs into /usr/bin and /etc/systemd/system, so it runs in the virtual machine of `deploy/test-vm.sh` only.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use reqwest::{Method, StatusCode};
use sandlot_tests::api::{Api, Session};
use sandlot_tests::node::binary;
use sandlot_tests::terminal::Terminal;
use sandlot_tests::wait;
use serde_json::Value;
use std::time::Duration;

/// Emulated machines are slow.
const PATIENCE: Duration = Duration::from_secs(120);

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program).args(arguments).output().with_context(|| program.to_owned())?;
    ensure!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn install() -> Result<()> {
    for name in ["sandlot", "sandlot-supervisor", "sandlot-oci"] {
        let to = Path::new("/usr/bin").join(name);
        std::fs::copy(binary(name)?, &to)?;
    }
    std::fs::create_dir_all("/etc/sandlot")?;
    std::fs::write("/etc/sandlot/sandlot.toml", "")?;
    let units = Path::new("/etc/systemd/system");
    std::fs::write(units.join("sandlot.service"), include_str!("../../deploy/systemd/sandlot.service"))?;
    std::fs::write(
        units.join("sandlot-supervisor.service"),
        include_str!("../../deploy/systemd/sandlot-supervisor.service"),
    )?;
    run("systemctl", &["daemon-reload"])
}

fn journal() -> String {
    let output = Command::new("journalctl").args(["-u", "sandlot*", "--no-pager", "-n", "60"]).output();
    output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default()
}

/// Waits until the node is ready and gives a client of it.
async fn ready() -> Result<Api> {
    let api = Api::new("http://127.0.0.1:8080")?;
    let probe = || async {
        let (status, _) = api.request(Method::GET, "/readyz", None, None).await.ok()?;
        (status == StatusCode::OK).then_some(())
    };
    wait::until_async("the node", PATIENCE, probe).await.with_context(journal)?;
    Ok(api)
}

async fn reattach(session: &Session) -> Result<Terminal> {
    let (status, body) = session.request(Method::POST, "/terminals/t1/tickets", None).await?;
    let url =
        body.get("ws_url").and_then(Value::as_str).with_context(|| format!("ticket: {status} {body}"))?;
    Terminal::connect(url).await
}

#[tokio::test]
#[ignore = "needs systemd as init and installs units: deploy/test-vm.sh runs it in a virtual machine"]
async fn restarting_either_unit_keeps_a_running_shell() -> Result<()> {
    install()?;
    run("systemctl", &["start", "sandlot.service"])?;
    let session = ready().await?.create("tiny").await?;
    let mut terminal = session.terminal().await?;
    terminal.input(b"kept=shell; echo up-$((1+1))\n").await?;
    terminal.expect("up-2").await?;
    for (turn, unit) in
        ["sandlot.service", "sandlot-supervisor.service", "sandlot.service"].into_iter().enumerate()
    {
        run("systemctl", &["restart", unit])?;
        ready().await?;
        let mut again = reattach(&session)
            .await
            .with_context(|| format!("after the restart of {unit}\n{}", journal()))?;
        again.input(format!("echo $kept-{turn}-$((1+1))\n").as_bytes()).await?;
        again.expect(&format!("shell-{turn}-2")).await?;
    }
    session.close().await?;
    run("/usr/bin/sandlot", &["down", "--config", "/etc/sandlot/sandlot.toml"])?;
    run("systemctl", &["stop", "sandlot.service", "sandlot-supervisor.service"])?;
    ensure!(!Path::new("/sys/fs/cgroup/sandlot/sessions").exists(), "a cgroup of sessions stayed");
    Ok(())
}
