//! `sandlot image export`.

use std::io::Write;

use anyhow::Result;
use sandlot_runtime::image::Scope;

use super::arguments::Export;
use super::output;
use super::place::Place;
use crate::config::Config;

/// Writes the root file system of an image as one tar.
///
/// # Errors
/// When there is no such image, or the tar cannot be written.
pub(super) fn run(config: &Config, what: &Export) -> Result<()> {
    let mut tar = output::open(what.output.as_deref())?;
    let store = Place::open(config)?.store;
    let image = store.find(&Scope::Node, &what.image)?;
    store.export(&image, &mut tar)?;
    Ok(tar.flush()?)
}
