//! Finding the node's supervisor, or starting its guardian and waiting until it answers.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use sandlot_runtime::supervisor::client::{Client, ClientError};

use crate::cli::node_file;
use crate::config::Config;

/// From the start of the guardian, or of the supervisor's own unit, to the first answer.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// From one start of a guardian to the next: one that refuses what it is given says so each time.
const START_AGAIN: Duration = Duration::from_secs(1);
/// Between two attempts to connect.
const RETRY: Duration = Duration::from_millis(5);
/// Unpacking a large image on a slow disk.
pub(super) const UNPACK_TIMEOUT: Duration = Duration::from_secs(1800);

/// A greeted connection.
pub(crate) fn connect(config: &Config) -> Result<Client, ClientError> {
    let mut client = Client::connect(&config.supervisor_socket())?;
    client.hello()?;
    Ok(client)
}

/// How long a supervisor that is started lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// Until the node is taken down; it logs where we do.
    Lasting,
    /// As long as it has clients: for one command, which tells itself what failed.
    Temporary,
}

/// The supervisor that runs; else one is started, by a guardian that is returned as well, or awaited where a unit of its own starts it.
pub(crate) fn find_or_start(config: &Config, life: Life) -> Result<(Client, Option<Child>)> {
    if let Ok(client) = connect(config) {
        return Ok((client, None));
    }
    let mut guardian = config.start_supervisor.then(|| start_guardian(config, life)).transpose()?;
    let mut started = Instant::now();
    let end = started + START_TIMEOUT;
    loop {
        match connect(config) {
            Ok(client) => return Ok((client, guardian)),
            Err(error) if Instant::now() > end => {
                bail!(
                    "no supervisor answers at {}: {error}; its log says why",
                    config.supervisor_socket().display()
                );
            }
            Err(_) => {
                // It gives up where another one holds the place, which may just be ending.
                if let Some(child) = &mut guardian
                    && child.try_wait()?.is_some()
                    && started.elapsed() >= START_AGAIN
                {
                    started = Instant::now();
                    *child = start_guardian(config, life)?;
                }
                std::thread::sleep(RETRY);
            }
        }
    }
}

/// The guardian outlives serve: it starts a session of its own, and its output goes where serve's log goes.
#[expect(clippy::disallowed_methods, reason = "called before serve has threads")]
fn start_guardian(config: &Config, life: Life) -> Result<Child> {
    let file = node_file::write(config, life == Life::Temporary)?;
    let program = supervisor_program()?;
    let mut command = Command::new(&program);
    command.arg("--node-file").arg(file).stdin(Stdio::null()).stdout(Stdio::null());
    if life == Life::Temporary {
        command.stderr(Stdio::null());
    }
    command.spawn().with_context(|| format!("start `{}`", program.display()))
}

/// The supervisor's static binary, beside this one.
pub(crate) fn supervisor_program() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let program = own.with_file_name("sandlot-supervisor");
    ensure!(program.is_file(), "`{}` is missing: it is installed beside `sandlot`", program.display());
    Ok(program)
}
