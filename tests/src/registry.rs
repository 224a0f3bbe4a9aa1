//! A real registry for one test: Debian's `docker-registry`.
#![expect(clippy::unwrap_used, reason = "a test's fixture may panic")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use sandlot_runtime::image::Reference;
use tempfile::TempDir;

use crate::wait::PATIENCE;

/// Debian's registry on a free port of 127.0.0.1, in a temporary folder.
#[derive(Debug)]
pub struct DockerRegistry {
    child: Child,
    /// Kept until the registry has ended.
    _folder: TempDir,
    /// Where it listens.
    pub port: u16,
}

impl DockerRegistry {
    /// Anonymous, without TLS.
    pub fn plain() -> Self {
        Self::start(tempfile::tempdir().unwrap(), "", "")
    }

    /// With lines for its `http` and top-level sections; files that they name are in `folder`.
    #[expect(clippy::disallowed_methods, reason = "a test's own process")]
    pub fn start(folder: TempDir, http: &str, top: &str) -> Self {
        let store = folder.path().join("store");
        let config = folder.path().join("config.yml");
        let text = format!(
            "version: 0.1\nlog: {{level: info, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}}}\nhttp:\n  addr: 127.0.0.1:0\n{http}{top}",
            store.display()
        );
        fs::write(&config, text).unwrap();
        let mut child = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker-registry runs; Debian's package docker-registry has it");
        let port = listening_port(&mut child);
        Self { child, _folder: folder, port }
    }

    /// A name in it.
    pub fn name(&self, rest: &str) -> Reference {
        format!("127.0.0.1:{}/{rest}", self.port).parse().unwrap()
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// From the registry's log; the rest of the log is read and dropped, so that it never blocks on it.
fn listening_port(child: &mut Child) -> u16 {
    let log = BufReader::new(child.stderr.take().unwrap());
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        for line in log.lines().map_while(Result::ok) {
            let port = line.split("listening on 127.0.0.1:").nth(1);
            let port = port.map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
            if let Some(port) = port {
                // The other end is gone once it has its port.
                send.send(port.parse().unwrap()).ok();
            }
        }
    });
    receive.recv_timeout(PATIENCE).expect("docker-registry says where it listens")
}
