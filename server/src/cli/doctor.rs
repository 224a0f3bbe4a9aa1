//! `sandlot doctor`: what this host has and lacks for a node, each with what to do about it.

mod certificate;

use std::io::Write;

use anyhow::Result;
use sandlot_runtime::doctor::{self, Check, Node, Status};

use crate::config::Config;

/// Says what was found; `json` as one array. Whether a node can start here.
///
/// # Errors
/// When the output cannot be written or the configuration names no disk driver.
pub(super) fn examine(
    config: &Config,
    sessions: Option<u32>,
    json: bool,
    out: &mut dyn Write,
) -> Result<bool> {
    let node = Node {
        sessions: sessions.unwrap_or(config.quotas.sessions_per_node),
        state_dir: config.state_dir.clone(),
        uid_base: config.uid_base,
        disk: config.disk.parse()?,
        configures_host: config.configure_host,
        way_out: config.way().map(|_| format!("{}-out", config.link_prefix)),
    };
    let mut checks = doctor::examine(&node);
    checks.extend(config.tls.as_ref().map(certificate::check));
    if json {
        serde_json::to_writer_pretty(&mut *out, &checks)?;
        writeln!(out)?;
    } else {
        for check in &checks {
            say(check, out)?;
        }
    }
    Ok(doctor::worst(&checks) != Status::Fail)
}

fn say(check: &Check, out: &mut dyn Write) -> Result<()> {
    let mark = match check.status {
        Status::Ok => "ok  ",
        Status::Warn => "warn",
        Status::Fail => "FAIL",
    };
    writeln!(out, "{mark}  {}: {}", check.name, check.finding)?;
    if let Some(advice) = &check.advice {
        writeln!(out, "      {advice}")?;
    }
    Ok(())
}
