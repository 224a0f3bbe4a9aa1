//! `sandlot image prune`.

use std::io::{BufRead, Write, stdin};

use anyhow::Result;
use sandlot_runtime::image::Scope;
use sandlot_runtime::supervisor::name::DiffId;

use super::arguments::Prune;
use super::moment;
use super::place::Place;
use crate::config::Config;
use crate::image::remove_unused;

/// Removes what nothing needs.
///
/// # Errors
/// When a document of the store cannot be read: then nothing is removed that might be in use.
pub(super) fn run(config: &Config, what: &Prune, out: &mut dyn Write) -> Result<()> {
    if !what.force && !agreed(what.all, out)? {
        return Ok(());
    }
    let mut place = Place::open(config)?;
    let before = place.store.used_layers()?;
    let pruned = place.store.prune(&Scope::Node, what.all)?;
    let after = place.store.used_layers()?;
    let layers: Vec<DiffId> = before.difference(&after).cloned().collect();
    place.remove_layers(&layers, out)?;
    if let Some(supervisor) = &mut place.supervisor {
        remove_unused(&place.store, supervisor)?;
    }
    pruned.images.iter().try_for_each(|digest| writeln!(out, "deleted: {digest}"))?;
    Ok(writeln!(out, "Total reclaimed space: {}", moment::size(pruned.bytes))?)
}

fn agreed(all: bool, out: &mut dyn Write) -> Result<bool> {
    let also = if all { " and all results of build steps" } else { "" };
    write!(out, "This removes all images without a name{also}. Go on? [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
