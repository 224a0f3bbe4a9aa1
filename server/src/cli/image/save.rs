//! `sandlot image save`.

use anyhow::Result;
use sandlot_runtime::image::{Image, Scope};

use super::arguments::Save;
use super::output;
use super::place::Place;
use crate::config::Config;

/// Saves images into one archive.
///
/// # Errors
/// When there is no such image, or the archive cannot be written.
pub(super) fn run(config: &Config, what: &Save) -> Result<()> {
    let mut archive = output::open(what.output.as_deref())?;
    let store = Place::open(config)?.store;
    let found = what.images.iter().map(|text| store.find(&Scope::Node, text));
    let images = found.collect::<Result<Vec<Image>, _>>()?;
    Ok(store.save(&images, &mut archive)?)
}
