//! The two systemd units on a host that systemd runs: restarting either keeps a running shell.
//!
//! Installs into /usr/bin and /etc/systemd/system, so it runs in the virtual machine of `deploy/test-vm.sh` only.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use reqwest::{Method, StatusCode};
use sandlot_tests::api::{Api, Session};
use sandlot_tests::authority::Authority;
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
    answers(Api::new("http://127.0.0.1:8080")?).await
}

async fn answers(api: Api) -> Result<Api> {
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
    run("systemctl", &["reload", "sandlot.service"])?;
    let line = || journal().contains("SIGHUP: there is no certificate").then_some(());
    wait::until("the reload to arrive", PATIENCE, line).with_context(journal)?;
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
    end()?;
    ensure!(!Path::new("/sys/fs/cgroup/sandlot/sessions").exists(), "a cgroup of sessions stayed");
    Ok(())
}

fn end() -> Result<()> {
    run("/usr/bin/sandlot", &["down", "--config", "/etc/sandlot/sandlot.toml"])?;
    run("systemctl", &["stop", "sandlot.service", "sandlot-supervisor.service"])
}

/// The certificate that a new connection is shown.
async fn shown(authority: &Authority) -> Result<Vec<u8>> {
    let stream = tokio::net::TcpStream::connect("127.0.0.1:8080").await?;
    let stream = authority.connector(&[])?.connect("127.0.0.1".try_into()?, stream).await?;
    let chain = stream.get_ref().1.peer_certificates().context("no certificate")?;
    Ok(chain.first().context("an empty chain")?.to_vec())
}

/// A pair as programs that renew certificates put it in place: the key is root's alone.
fn issue(authority: &Authority) -> Result<()> {
    let files = authority.issue(Path::new("/etc/sandlot"), 2)?;
    std::fs::set_permissions(&files.key, Permissions::from_mode(0o600))?;
    let text = format!("tls-cert = {:?}\ntls-key = {:?}\n", files.certificate, files.key);
    Ok(std::fs::write("/etc/sandlot/sandlot.toml", text)?)
}

fn main_pid() -> Result<String> {
    let output = Command::new("systemctl").args(["show", "-P", "MainPID", "sandlot.service"]).output()?;
    Ok(String::from_utf8(output.stdout)?)
}

#[tokio::test]
#[ignore = "needs systemd as init and installs units: deploy/test-vm.sh runs it in a virtual machine"]
async fn reloading_brings_the_renewed_certificate_and_keeps_every_connection() -> Result<()> {
    install()?;
    let authority = Authority::new()?;
    issue(&authority)?;
    run("systemctl", &["start", "sandlot.service"])?;
    let api = answers(Api::secure("https://127.0.0.1:8080", &authority)?).await?;
    let session = api.create("tiny").await?;
    let mut terminal = session.terminal().await?;
    terminal.input(b"echo up-$((1+1))\n").await?;
    terminal.expect("up-2").await?;
    let (pid, mut last) = (main_pid()?, shown(&authority).await?);
    for turn in 0..3 {
        issue(&authority)?;
        run("systemctl", &["reload", "sandlot.service"])?;
        let probe = || async { shown(&authority).await.ok().filter(|shown| *shown != last) };
        last = wait::until_async("another certificate", PATIENCE, probe).await.with_context(journal)?;
        terminal.input(format!("echo turn-{turn}-$((1+1))\n").as_bytes()).await?;
        terminal.expect(&format!("turn-{turn}-2")).await?;
    }
    assert_eq!(main_pid()?, pid, "{}", journal());
    session.close().await?;
    end()?;
    Ok(std::fs::write("/etc/sandlot/sandlot.toml", "")?)
}
