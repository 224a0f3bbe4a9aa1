//! An upstream, nginx as a proxy before it, and serve with a port that leads to it.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use sandlot_tests::api::{Api, Session};
use sandlot_tests::node::binary;
use sandlot_tests::wait::{PATIENCE, until_async};
use serde_json::json;

/// What a load is sent to.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) host: String,
}

/// Everything that is measured; ended when dropped.
#[derive(Debug)]
pub(crate) struct Ground {
    /// Removed at the end.
    _folder: tempfile::TempDir,
    children: Vec<Child>,
    pub(crate) own: Target,
    pub(crate) session: Session,
    kept: SocketAddr,
    unkept: SocketAddr,
}

impl Ground {
    pub(crate) async fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("sandlot-bench-proxy-").tempdir()?;
        std::fs::write(folder.path().join("small"), vec![b'x'; 1024])?;
        std::fs::write(folder.path().join("big"), vec![b'x'; 100 << 20])?;
        let [upstream, kept, unkept, own] = [free()?, free()?, free()?, free()?];
        let mut app = nginx(folder.path(), "app", &app_configuration(folder.path(), upstream))?;
        let mut proxy = nginx(folder.path(), "proxy", &proxy_configuration(upstream, kept, unkept))?;
        let mut serve = Command::new(binary("sandlot")?);
        serve.args(["serve", "--backend", "local", "--listen", &own.to_string()]);
        serve.args(["--state-dir", &folder.path().join("state").display().to_string()]);
        let children = vec![start(&mut serve)?, start(&mut app)?, start(&mut proxy)?];
        for address in [upstream, kept, unkept, own] {
            let connects = || async { tokio::net::TcpStream::connect(address).await.ok() };
            until_async("nginx and serve to listen", PATIENCE, connects).await?;
        }
        let session = Api::new(&format!("http://{own}"))?.create("tiny").await?;
        let host = host_of(&session, upstream.port()).await?;
        let own = Target { address: own, host };
        Ok(Self { _folder: folder, children, own, session, kept, unkept })
    }

    /// The nginx that keeps connections as this word says.
    pub(crate) fn nginx(&self, connection: &str) -> Target {
        let address = if connection == "close" { self.unkept } else { self.kept };
        Target { address, host: address.to_string() }
    }

    pub(crate) fn serve_pid(&self) -> Option<u32> {
        self.children.first().map(Child::id)
    }

    /// The time of one download.
    pub(crate) async fn download(&self, target: &Target, path: &str) -> Result<Duration> {
        let output = tokio::process::Command::new("curl")
            .args(["-sS", "-o", "/dev/null", "-w", "%{size_download} %{time_total}", "-H"])
            .args([format!("Host: {}", target.host), format!("http://{}{path}", target.address)])
            .output()
            .await
            .context("run curl")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let (size, time) = text.split_once(' ').with_context(|| format!("curl: {text}"))?;
        ensure!(size == (100 << 20).to_string(), "{size} bytes came");
        Ok(Duration::from_secs_f64(time.parse()?))
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        for child in &mut self.children {
            // It may have ended by itself.
            nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(child.id().cast_signed()),
                nix::sys::signal::Signal::SIGTERM,
            )
            .ok();
            child.wait().ok();
        }
    }
}

/// The host of a port of the session.
pub(crate) async fn host_of(session: &Session, port: u16) -> Result<String> {
    let (status, body) =
        session.request(Method::PUT, &format!("/instances/m1/ports/{port}"), Some(json!({}))).await?;
    let url = body["url"].as_str().with_context(|| format!("{status} {body}"))?;
    Ok(url.trim_start_matches("http://").trim_end_matches('/').to_owned())
}

#[expect(clippy::disallowed_methods, reason = "a bench may spawn")]
fn start(command: &mut Command) -> Result<Child> {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().with_context(|| format!("start {:?}", command.get_program()))
}

fn free() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// An nginx with two workers, not started yet.
fn nginx(folder: &Path, name: &str, servers: &str) -> Result<Command> {
    let own = folder.join(name);
    std::fs::create_dir(&own)?;
    let own = own.display();
    let configuration = format!(
        "daemon off; worker_processes 2; pid {own}/pid; error_log {own}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; default_type text/plain; keepalive_requests 1000000000; sendfile on;
  client_body_temp_path {own}/body; proxy_temp_path {own}/proxy; fastcgi_temp_path {own}/fastcgi;
  uwsgi_temp_path {own}/uwsgi; scgi_temp_path {own}/scgi;
  {servers}
}}
"
    );
    let file = format!("{own}/nginx.conf");
    std::fs::write(&file, configuration)?;
    let mut command = Command::new("nginx");
    command.args(["-p", &own.to_string(), "-c", &file]);
    Ok(command)
}

fn app_configuration(folder: &Path, address: SocketAddr) -> String {
    format!("server {{ listen {address} backlog=1024; root {}; }}", folder.display())
}

fn proxy_configuration(upstream: SocketAddr, kept: SocketAddr, unkept: SocketAddr) -> String {
    let proxy = "proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; \
                 proxy_set_header X-Forwarded-Proto $scheme;";
    format!(
        "upstream kept {{ server {upstream}; keepalive 64; keepalive_requests 1000000000; }}
  server {{ listen {kept} backlog=1024; location / {{ proxy_pass http://kept; proxy_http_version 1.1;
    proxy_set_header Connection \"\"; {proxy} }} }}
  server {{ listen {unkept} backlog=1024; location / {{ proxy_pass http://{upstream}; {proxy} }} }}"
    )
}
