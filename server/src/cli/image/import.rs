//! `sandlot image import`.

use std::io::Write;

use anyhow::Result;
use sandlot_runtime::image::Scope;

use super::arguments::Import;
use super::place::{self, Place};
use crate::config::Config;
use crate::image::unpack_one;

/// Imports a root file system and has it unpacked, where a supervisor runs.
///
/// # Errors
/// When it is no tar, or the store or the supervisor refuses.
pub(super) fn run(config: &Config, what: &Import, out: &mut dyn Write) -> Result<()> {
    let tar = place::input(&what.file)?;
    let mut place = Place::open(config)?;
    let image = place.store.import(&Scope::Node, tar, what.name.as_ref())?;
    if let Some(supervisor) = &mut place.supervisor {
        unpack_one(&place.store, &image, supervisor)?;
    }
    Ok(writeln!(out, "{}", image.id)?)
}
