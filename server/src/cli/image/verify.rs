//! `sandlot image verify`.

use std::io::Write;

use anyhow::{Result, ensure};

use super::place::Place;
use crate::config::Config;

/// Reads every blob and follows every name.
///
/// # Errors
/// When something is damaged.
pub(super) fn run(config: &Config, out: &mut dyn Write) -> Result<()> {
    let problems = Place::open(config)?.store.verify()?;
    problems.iter().try_for_each(|problem| writeln!(out, "{problem}"))?;
    ensure!(problems.is_empty(), "the content store is damaged: pull, load or make the images above again");
    Ok(writeln!(out, "the content store is whole")?)
}
