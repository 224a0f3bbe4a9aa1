//! `sandlot image pull`.

use std::io::{Write, stdout};
use std::sync::Arc;

use anyhow::{Context, Result};
use sandlot_runtime::image::{Image, Layer, Platform, Reference, Scope, Store};
use sandlot_runtime::supervisor::client::Client as Supervisor;

use super::arguments::Pull as Arguments;
use super::place::{Place, UNPACK_TIMEOUT};
use super::registry;
use crate::config::Config;
use crate::image::pull::{Pull, Stage, Tell, Unpack};
use crate::image::{UnpackError, unpack_one};

/// Pulls images one after the other.
///
/// # Errors
/// At the first that fails; what has come of it shortens the next try.
pub(super) fn run(config: &Config, what: &Arguments, out: &mut dyn Write) -> Result<()> {
    let settings = registry::settings(config, registry::credentials()?)?;
    let mut place = Place::open(config)?;
    let platform = what.platform.clone().unwrap_or_else(Platform::host);
    let (runtime, client) = registry::client(settings)?;
    for reference in &what.images {
        if !what.quiet {
            writeln!(out, "{}: Pulling from {}", tag(reference), reference.repository())?;
        }
        let tell: Tell = if what.quiet { Arc::new(|_, _| {}) } else { Arc::new(say) };
        let pull = Pull {
            client: client.clone(),
            store: place.store.clone(),
            scope: Scope::Node,
            platform: platform.clone(),
            tell,
            unpack: place.supervisor.as_ref().map(|_| unpacker(config)),
        };
        let image = runtime.block_on(pull.run(reference)).with_context(|| format!("pull `{reference}`"))?;
        if let Some(supervisor) = &mut place.supervisor {
            // A layer that stood unpacked, of no image, may have been removed before this one had its name.
            unpack_one(&place.store, &image, supervisor)?;
        }
        told(reference, &image, what.quiet, out)?;
    }
    Ok(())
}

fn tag(reference: &Reference) -> String {
    let digest = reference.digest().map(ToString::to_string);
    reference.tag().map(str::to_owned).or(digest).unwrap_or_default()
}

/// A layer each time over a connection of its own: several are unpacked at once.
pub(super) fn unpacker(config: &Config) -> Unpack {
    let socket = config.supervisor_socket();
    Arc::new(move |store: &Store, layer: &Layer| -> Result<(), UnpackError> {
        let mut supervisor = Supervisor::connect(&socket)?;
        supervisor.set_timeout(UNPACK_TIMEOUT);
        supervisor.hello()?;
        crate::image::unpack_layer_unless_there(store, layer, &mut supervisor)
    })
}

fn say(layer: &Layer, stage: Stage) {
    let words = match stage {
        Stage::Wanted => "Pulling fs layer",
        Stage::Exists => "Already exists",
        Stage::Fetching(_) => return,
        Stage::Fetched => "Download complete",
        Stage::Done => "Pull complete",
    };
    // Nobody may be looking.
    writeln!(stdout(), "{}: {words}", layer.blob.short()).ok();
}

fn told(reference: &Reference, image: &Image, quiet: bool, out: &mut dyn Write) -> Result<()> {
    if !quiet {
        writeln!(out, "Digest: {}", image.digest()?)?;
        writeln!(out, "Status: Downloaded image for {reference}")?;
    }
    Ok(writeln!(out, "{}", reference.canonical())?)
}
