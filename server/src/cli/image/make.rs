//! `sandlot image make`: the default images from their recipes.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use sandlot_runtime::image::{Recipe, Reference, Scope};

use super::arguments::Make;
use super::place::Place;
use crate::config::Config;
use crate::image::{Progress, progress_dir, unpack_one};

/// Makes a default image and brings it in, or, with `to`, only writes its root file system as a tar.
///
/// # Errors
/// When the recipe fails; who watches the progress sees why.
pub(super) fn run(config: &Config, what: &Make, out: &mut dyn Write) -> Result<()> {
    let recipe = what.recipe;
    if let Some(path) = &what.to {
        let mut tar = File::create(path).with_context(|| format!("create `{}`", path.display()))?;
        return Ok(recipe.make(&mut tar, &mut |step| say(out, recipe, &step.stage, step.percent))?);
    }
    let Some(mut progress) = Progress::start(&progress_dir(&config.run_dir), recipe.name())? else {
        bail!("make `{}`: another process is making it", recipe.name());
    };
    let made = make_into_store(config, recipe, &mut progress, out);
    if let Err(error) = &made {
        progress.fail(&format!("{error:#}"))?;
    }
    made
}

fn make_into_store(
    config: &Config,
    recipe: Recipe,
    progress: &mut Progress,
    out: &mut dyn Write,
) -> Result<()> {
    let reference: Reference = recipe.name().parse()?;
    let mut tar = unnamed_file(&config.state_dir)?;
    recipe.make(&mut tar, &mut |step| {
        say(out, recipe, &step.stage, step.percent);
        // A progress that cannot be shown is no reason to stop.
        drop(progress.report(&step.stage, step.percent.min(94)));
    })?;
    tar.rewind()?;
    progress.report("unpacking", 95)?;
    let mut place = Place::open(config)?;
    let image = place.store.import(&Scope::Node, tar, Some(&reference))?;
    if let Some(supervisor) = &mut place.supervisor {
        unpack_one(&place.store, &image, supervisor)?;
    }
    progress.report("ready", 100)?;
    say(out, recipe, "ready", 100);
    Ok(())
}

fn say(out: &mut dyn Write, recipe: Recipe, stage: &str, percent: u8) {
    // Nobody may be looking.
    drop(writeln!(out, "image {}: {percent:3} % {stage}", recipe.name()));
}

/// An unnamed file beside the store, for the archive on its way into it.
fn unnamed_file(state_dir: &Path) -> Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::create_dir_all(state_dir)?;
    let flags = nix::fcntl::OFlag::O_TMPFILE.bits();
    let file = File::options().read(true).write(true).mode(0o600).custom_flags(flags).open(state_dir);
    file.with_context(|| format!("make a file in `{}`", state_dir.display()))
}
