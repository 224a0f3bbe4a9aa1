//! `sandlot down`: ends all sessions of the node, then its supervisor and guardian.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};
use sandlot_runtime::supervisor::client::Client;
use sandlot_runtime::supervisor::protocol::Request;

use crate::config::Config;

/// Many sessions with much written take a while.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Ends everything; it is no error when nothing runs.
///
/// # Errors
/// When the supervisor refuses: only root may ask.
pub(super) fn down(config: &Config, out: &mut dyn Write) -> Result<()> {
    let path = config.supervisor_socket();
    let Ok(mut supervisor) = Client::connect(&path) else {
        writeln!(out, "nothing runs: no supervisor answers at {}", path.display())?;
        return Ok(());
    };
    supervisor.set_timeout(TIMEOUT);
    supervisor.hello()?;
    supervisor.call(Request::Down, &[]).context("end the node")?;
    writeln!(out, "all sessions have ended")?;
    Ok(())
}
