//! `sandlot image push`.

use std::io::{Write, stdout};
use std::sync::Arc;

use anyhow::{Context, Result};
use sandlot_runtime::image::{Digest, Scope};

use super::arguments::Push as Arguments;
use super::place::Place;
use super::registry;
use crate::config::Config;
use crate::image::push::{Push, Tell};
use crate::registry::Pushed;

/// Pushes images under their names.
///
/// # Errors
/// When there is no such image, or the registry refuses.
pub(super) fn run(config: &Config, what: &Arguments, out: &mut dyn Write) -> Result<()> {
    let settings = registry::settings(config, registry::credentials()?)?;
    let store = Place::open(config)?.store;
    let (runtime, client) = registry::client(settings)?;
    let tell: Tell = if what.quiet { Arc::new(|_, _| {}) } else { Arc::new(say) };
    let push = Push { client, store, scope: Scope::Node, tell };
    for name in &what.images {
        let found = push.store.image(&Scope::Node, name)?;
        let image = found.with_context(|| format!("push `{name}`: there is no image of this name"))?;
        if !what.quiet {
            writeln!(out, "The push refers to repository [{}]", name.name())?;
        }
        let pushed = runtime.block_on(push.run(&image, name));
        let (digest, size) = pushed.with_context(|| format!("push `{name}`"))?;
        match what.quiet {
            true => writeln!(out, "{}", name.canonical())?,
            false => writeln!(out, "{}: digest: {digest} size: {size}", name.tag().unwrap_or_default())?,
        }
    }
    Ok(())
}

fn say(blob: &Digest, pushed: Pushed) {
    let words = match pushed {
        Pushed::Existed => "Layer already exists",
        Pushed::Mounted => "Mounted from another repository",
        Pushed::Uploaded => "Pushed",
    };
    // Nobody may be looking.
    writeln!(stdout(), "{}: {words}", blob.short()).ok();
}
