//! Making the default images that are missing, at the start of a node and still as root: recipes need it.
//!
//! `tiny` is awaited, since it takes a moment and the first session needs it; the others are made while serve runs.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use crate::config::Config;

/// The image that is awaited.
const AWAITED: &str = "tiny";

/// Starts a maker for each of `names` that the store lacks. Must run before any thread exists.
///
/// # Errors
/// When a program cannot be started. That an image could not be made is told by its progress, and is no error here.
#[expect(
    clippy::disallowed_methods,
    reason = "called before serve has threads, and while it may still make images"
)]
pub(crate) fn make_missing(config: &Config, names: &[String]) -> Result<Vec<Child>> {
    let there = present(config)?;
    let mut makers = Vec::new();
    for name in names.iter().filter(|name| !there.contains(*name)) {
        let mut maker =
            sandlot(config, &["image", "make", name])?.spawn().with_context(|| format!("make `{name}`"))?;
        if name == AWAITED {
            maker.wait()?;
        } else {
            makers.push(maker);
        }
    }
    Ok(makers)
}

/// Names in the store, as a child says that has dropped to serve's uid: root reads nothing that serve may have planted.
pub(super) fn present(config: &Config) -> Result<BTreeSet<String>> {
    let output =
        sandlot(config, &["image", "ls", "--format", "json"])?.output().context("list the images")?;
    anyhow::ensure!(
        output.status.success(),
        "list the images: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let name = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).ok()?;
        row.get("Tag").filter(|tag| *tag == "latest").and(row.get("Repository")?.as_str().map(str::to_owned))
    };
    Ok(text.lines().filter_map(name).collect())
}

/// This very program with the node's places.
pub(super) fn sandlot(config: &Config, verb: &[&str]) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(verb).arg("--state-dir").arg(&config.state_dir).arg("--run-dir").arg(&config.run_dir);
    command.args(["--uid-base", &config.uid_base.to_string()]).stdin(Stdio::null());
    Ok(command)
}
