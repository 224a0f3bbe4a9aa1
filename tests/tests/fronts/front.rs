//! A web server before the node, with the example of `deploy/examples`: only addresses and files are replaced in it.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandlot_runtime::supervisor::node::TlsFiles;
use sandlot_tests::authority::Authority;
use sandlot_tests::wait::{self, PATIENCE};

/// Which one.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Nginx,
    Caddy,
}

/// Free ports of the front, with and without TLS.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    secure: u16,
    plain: u16,
}

impl Ports {
    pub(crate) fn reserve() -> Result<Self> {
        let (one, other) = (TcpListener::bind("[::]:0")?, TcpListener::bind("[::]:0")?);
        Ok(Self { secure: one.local_addr()?.port(), plain: other.local_addr()?.port() })
    }

    /// The site's address.
    pub(crate) fn url(self) -> String {
        format!("https://play.example.org:{}", self.secure)
    }

    /// The address of what only leads there.
    pub(crate) fn plain_url(self) -> String {
        format!("http://127.0.0.1:{}", self.plain)
    }
}

/// One that runs.
#[derive(Debug)]
pub(crate) struct Front {
    child: Child,
    folder: tempfile::TempDir,
}

impl Front {
    /// Starts one before `node` and waits until it listens.
    #[expect(clippy::disallowed_methods, reason = "a test's own process")]
    pub(crate) fn start(kind: Kind, authority: &Authority, ports: Ports, node: SocketAddr) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let files = authority.issue(folder.path(), 2)?;
        let mut command = match kind {
            Kind::Nginx => nginx(folder.path(), &files, ports, node)?,
            Kind::Caddy => caddy(folder.path(), &files, ports, node)?,
        };
        let log = File::create(folder.path().join("log"))?;
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        let package = format!("{kind:?} runs; Debian's package {} has it", package(kind));
        let front = Self { child: child.context(package)?, folder };
        let listens = || TcpStream::connect(("127.0.0.1", ports.secure)).ok();
        wait::until("the front to listen", PATIENCE, listens).with_context(|| front.log())?;
        Ok(front)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Ends it; it has said nothing of errors.
    pub(crate) fn end(mut self) -> Result<()> {
        self.stop()?;
        let log = self.log();
        ensure!(!log.contains("[error]") && !log.contains("\"level\":\"error\""), "{log}");
        Ok(())
    }

    /// Only by this signal nginx ends its own children too.
    fn stop(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_none() {
            kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM)?;
            wait::until("the end of the front", PATIENCE, || self.child.try_wait().ok().flatten())?;
        }
        Ok(())
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("end of the front: {error:?}");
        }
    }
}

fn package(kind: Kind) -> &'static str {
    match kind {
        Kind::Nginx => "nginx-light",
        Kind::Caddy => "caddy",
    }
}

/// Replaces; what is not there any more is a mistake in the test.
fn replace(text: &str, pairs: &[(&str, &str)]) -> Result<String> {
    pairs.iter().try_fold(text.to_owned(), |text, (from, to)| {
        ensure!(text.contains(from), "the example has no `{from}`");
        Ok(text.replace(from, to))
    })
}

/// The example is a part of nginx's own configuration.
fn nginx(folder: &Path, files: &TlsFiles, ports: Ports, node: SocketAddr) -> Result<Command> {
    let live = "/etc/letsencrypt/live/play.example.org";
    let text = replace(
        include_str!("../../../deploy/examples/nginx.conf"),
        &[
            ("listen 80;", &format!("listen {};", ports.plain)),
            ("listen [::]:80;", &format!("listen [::]:{};", ports.plain)),
            ("listen 443 ssl http2;\n    l", &format!("listen {} ssl http2;\n    l", ports.secure)),
            ("listen [::]:443 ", &format!("listen [::]:{} ", ports.secure)),
            ("server 127.0.0.1:8080;", &format!("server {node};")),
            (&format!("{live}/fullchain.pem"), &files.certificate.display().to_string()),
            (&format!("{live}/privkey.pem"), &files.key.display().to_string()),
        ],
    )?;
    fs::write(folder.join("site.conf"), text)?;
    let whole = "user root; daemon off; worker_processes 1; pid nginx.pid; error_log stderr info;\n\
         events {}\nhttp { access_log off; include site.conf; }\n";
    fs::write(folder.join("nginx.conf"), whole)?;
    let mut command = Command::new("nginx");
    command.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf")).args(["-e", "stderr"]);
    Ok(command)
}

fn caddy(folder: &Path, files: &TlsFiles, ports: Ports, node: SocketAddr) -> Result<Command> {
    let text = replace(
        include_str!("../../../deploy/examples/Caddyfile"),
        &[
            ("reverse_proxy 127.0.0.1:8080", &format!("reverse_proxy {node}")),
            ("/etc/caddy/play.example.org.pem", &files.certificate.display().to_string()),
            ("/etc/caddy/play.example.org.key", &files.key.display().to_string()),
        ],
    )?;
    let options =
        format!("{{\n\tadmin off\n\thttp_port {}\n\thttps_port {}\n}}\n", ports.plain, ports.secure);
    let file = folder.join("Caddyfile");
    fs::write(&file, options + &text)?;
    let mut command = Command::new("caddy");
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
    command.env("HOME", folder).env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
    Ok(command)
}
