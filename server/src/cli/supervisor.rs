//! `sandlot supervisor`: becomes the guardian of this node's supervisor, a binary beside this one.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::Result;

use super::node_file;
use crate::config::Config;
use crate::serve::container::supervisor::supervisor_program;

/// Writes the node file and executes the guardian in place of this process.
///
/// # Errors
/// When the file cannot be written or the program not be executed; it does not come back otherwise.
pub(super) fn become_guardian(config: &Config) -> Result<std::convert::Infallible> {
    let file = node_file::write(config, false)?;
    let program = supervisor_program()?;
    Err(Command::new(program).arg("--node-file").arg(file).exec().into())
}
