//! `sandlot image rm`.

use std::io::Write;

use anyhow::{Result, bail};
use sandlot_runtime::image::{Error, Removed, Scope};
use sandlot_runtime::supervisor::protocol::Request;

use super::arguments::Rm;
use super::place::Place;
use crate::config::Config;

/// Removes images one after the other, and the unpacked layers that nothing needs any more.
///
/// # Errors
/// After all were tried: with those that could not be removed.
pub(super) fn run(config: &Config, what: &Rm, out: &mut dyn Write) -> Result<()> {
    let mut place = Place::open(config)?;
    let mut failures = Vec::new();
    for text in &what.images {
        match place.store.remove(&Scope::Node, text, what.force) {
            Ok(removed) => tell(&mut place, &removed, out)?,
            Err(Error::UnknownImage(_)) if what.force => {}
            Err(error) => failures.push(error.to_string()),
        }
    }
    if failures.is_empty() { Ok(()) } else { bail!("{}", failures.join("\n")) }
}

fn tell(place: &mut Place, removed: &Removed, out: &mut dyn Write) -> Result<()> {
    removed.untagged.iter().try_for_each(|name| writeln!(out, "Untagged: {name}"))?;
    removed.deleted.iter().try_for_each(|digest| writeln!(out, "Deleted: {digest}"))?;
    place.remove_layers(&removed.layers, out)
}

impl Place {
    /// Removes unpacked layers; one that a session uses stays, and goes when the images are pruned.
    pub(super) fn remove_layers(
        &mut self,
        layers: &[sandlot_runtime::supervisor::name::DiffId],
        out: &mut dyn Write,
    ) -> Result<()> {
        let Some(supervisor) = &mut self.supervisor else { return Ok(()) };
        for layer in layers {
            if let Err(error) = supervisor.call(Request::RemoveLayer { layer: layer.clone() }, &[]) {
                writeln!(out, "{layer} stays unpacked: {error}")?;
            }
        }
        Ok(())
    }
}
