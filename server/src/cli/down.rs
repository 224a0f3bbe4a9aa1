//! `sandlot down`: ends all sessions of the node, then its supervisor and guardian.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use sandlot_runtime::cgroup::{Removal, Tree};
use sandlot_runtime::supervisor::client::Client;
use sandlot_runtime::supervisor::protocol::Request;

use crate::config::Config;

/// Many sessions with much written take a while.
const TIMEOUT: Duration = Duration::from_secs(120);
/// From the supervisor's last answer to the end of its process and its guardian's.
const LAST_EXIT: Duration = Duration::from_secs(3);
/// Between two looks at them.
const RETRY: Duration = Duration::from_millis(5);

/// Ends everything; it is no error when nothing runs.
///
/// # Errors
/// When the supervisor refuses: only root may ask.
pub(super) fn down(config: &Config, out: &mut dyn Write) -> Result<()> {
    let path = config.supervisor_socket();
    let Ok(mut supervisor) = Client::connect(&path) else {
        writeln!(out, "nothing runs: no supervisor answers at {}", path.display())?;
        return restore_host(config);
    };
    supervisor.set_timeout(TIMEOUT);
    supervisor.hello()?;
    supervisor.call(Request::Down, &[]).context("end the node")?;
    writeln!(out, "all sessions have ended")?;
    remove_cgroups(config)
}

/// What a node that was killed has changed of this host.
fn restore_host(config: &Config) -> Result<()> {
    let failures = sandlot_runtime::net::host::restore(&sandlot_runtime::supervisor::node::host_record(
        &config.state_dir,
    ));
    match failures.into_iter().next() {
        Some(failure) => Err(failure.errno).context(failure.message),
        None => Ok(()),
    }
}

/// The node's own folders, which are empty once supervisor and guardian are gone. They stay while serve still runs.
fn remove_cgroups(config: &Config) -> Result<()> {
    let end = Instant::now() + LAST_EXIT;
    while Tree::remove(&config.cgroup_parent).context("remove the node's cgroups")? == Removal::Busy
        && Instant::now() < end
    {
        std::thread::sleep(RETRY);
    }
    Ok(())
}
