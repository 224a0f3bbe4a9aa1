//! `sandlot image load`.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use sandlot_runtime::image::Scope;

use super::arguments::Load;
use super::place::{self, Place};
use crate::config::Config;
use crate::image::unpack_one;

/// Loads every image of an archive and has it unpacked, where a supervisor runs; the next start of serve does it
/// otherwise.
///
/// # Errors
/// When the archive is none, lies, or the store or the supervisor refuses.
pub(super) fn run(config: &Config, what: &Load, out: &mut dyn Write) -> Result<()> {
    let path = what.input.as_deref().unwrap_or(Path::new("-"));
    let archive = place::input(path)?;
    let mut place = Place::open(config)?;
    for image in place.store.load(&Scope::Node, archive)? {
        if let Some(supervisor) = &mut place.supervisor {
            unpack_one(&place.store, &image, supervisor)?;
        }
        match &image.reference {
            _ if what.quiet => {}
            Some(name) => writeln!(out, "Loaded image: {name}")?,
            None => writeln!(out, "Loaded image ID: {}", image.id)?,
        }
    }
    Ok(())
}
