//! `sandlot image tag`.

use anyhow::Result;
use sandlot_runtime::image::Scope;

use super::arguments::Tag;
use super::place::Place;
use crate::config::Config;

/// Gives an image another name.
///
/// # Errors
/// When there is no such image.
pub(super) fn run(config: &Config, what: &Tag) -> Result<()> {
    Ok(Place::open(config)?.store.tag(&Scope::Node, &what.image, &what.name)?)
}
