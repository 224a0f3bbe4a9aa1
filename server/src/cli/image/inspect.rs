//! `sandlot image inspect`.

use std::io::Write;

use anyhow::Result;
use sandlot_runtime::image::{Image, Scope};
use serde_json::Value;

use super::arguments::Inspect;
use super::place::Place;
use crate::config::Config;
use crate::image::inspect;

/// Shows images as Docker's API does.
///
/// # Errors
/// When there is no such image.
pub(super) fn run(config: &Config, what: &Inspect, out: &mut dyn Write) -> Result<()> {
    let store = Place::open(config)?.store;
    let all = store.images(&Scope::Node)?;
    let shown = |text: &String| -> Result<Value> {
        let image = store.find(&Scope::Node, text)?;
        let same: Vec<&Image> = all.iter().filter(|other| other.id == image.id).collect();
        Ok(inspect::document(&store, &image, &same)?)
    };
    let documents = what.images.iter().map(shown).collect::<Result<Vec<_>>>()?;
    Ok(writeln!(out, "{}", serde_json::to_string_pretty(&documents)?)?)
}
