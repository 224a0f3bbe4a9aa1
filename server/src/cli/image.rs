//! `sandlot image ls|import|rm|make`: the content store from the command line.
//!
//! Run by root, it drops to serve's uid before it touches what serve owns; layers go to the supervisor for unpacking.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::unistd::{Gid, Uid, geteuid, setgroups, setresgid, setresuid};
use sandlot_runtime::image::{Image, Recipe, Reference, Store};
use sandlot_runtime::supervisor::client::Client;
use sandlot_runtime::supervisor::protocol::Request;

use crate::config::Config;
use crate::image::{Progress, progress_dir, store_dir, unpack_one};

/// A large image takes minutes to unpack on a slow disk.
const UNPACK_TIMEOUT: Duration = Duration::from_secs(1800);

/// Lists the images.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn list(config: &Config, out: &mut dyn Write) -> Result<()> {
    become_serve(config)?;
    writeln!(out, "{:<30} {:<20} {:>8} {:>10}", "NAME", "DIGEST", "LAYERS", "SIZE")?;
    for image in Store::open(&store_dir(&config.state_dir))?.images()? {
        let digest: String = image.digest.digest().chars().take(12).collect();
        let size = format!("{:.1} MB", image.size_bytes() as f64 / 1e6);
        writeln!(
            out,
            "{:<30} sha256:{digest:<13} {:>8} {size:>10}",
            image.reference.as_str(),
            image.layers.len()
        )?;
    }
    Ok(())
}

/// Imports an archive: an OCI layout, what `docker save` writes, or a root file system; `-` reads standard input.
///
/// # Errors
/// When the archive is not one of these, or the store or the supervisor refuses.
pub(super) fn import(
    config: &Config,
    file: &Path,
    name: Option<&Reference>,
    out: &mut dyn Write,
) -> Result<()> {
    // Opened before the uid changes: the file may be readable by root only.
    let path = if file == Path::new("-") { Path::new("/dev/stdin") } else { file };
    let archive = File::open(path).with_context(|| format!("open `{}`", path.display()))?;
    become_serve(config)?;
    for image in bring_in(config, archive, name)? {
        writeln!(out, "{}", image.reference)?;
    }
    Ok(())
}

/// Removes an image, and the unpacked layers that no image needs any more.
///
/// # Errors
/// When there is no such image, or the store refuses.
pub(super) fn remove(config: &Config, name: &Reference, out: &mut dyn Write) -> Result<()> {
    become_serve(config)?;
    let store = Store::open(&store_dir(&config.state_dir))?;
    let layers = store.layers_of(name).with_context(|| format!("remove `{name}`"))?;
    store.remove(name)?;
    let used: Vec<_> =
        store.images()?.into_iter().flat_map(|image| image.layers).map(|layer| layer.diff_id).collect();
    let Some(mut supervisor) = supervisor(config)? else { return Ok(()) };
    for layer in layers.into_iter().filter(|layer| !used.contains(layer)) {
        if let Err(error) = supervisor.call(Request::RemoveLayer { layer: layer.clone() }, &[]) {
            writeln!(out, "{layer} stays unpacked: {error}")?;
        }
    }
    Ok(())
}

/// Makes a default image and brings it in, or, with `to`, only writes its root file system as a tar.
///
/// # Errors
/// When the recipe fails; who watches the progress sees why.
pub(super) fn make(config: &Config, recipe: Recipe, to: Option<&Path>, out: &mut dyn Write) -> Result<()> {
    if let Some(path) = to {
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
    become_serve(config)?;
    bring_in(config, tar, Some(&reference))?;
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

/// Imports and has the layers unpacked, where a supervisor runs; the next start of serve does it otherwise.
fn bring_in(config: &Config, archive: File, name: Option<&Reference>) -> Result<Vec<Image>> {
    let store = Store::open(&store_dir(&config.state_dir))?;
    let names = store.import(archive, name)?;
    let mut supervisor = supervisor(config)?;
    let mut images = Vec::new();
    for name in names {
        let image = store.image(&name)?.with_context(|| format!("image `{name}` is gone again"))?;
        if let Some(supervisor) = &mut supervisor {
            unpack_one(&store, &image, supervisor)?;
        }
        images.push(image);
    }
    Ok(images)
}

/// A connection to the node's supervisor; `None` when none runs.
fn supervisor(config: &Config) -> Result<Option<Client>> {
    let Ok(mut client) = Client::connect(&config.supervisor_socket()) else { return Ok(None) };
    client.set_timeout(UNPACK_TIMEOUT);
    client.hello()?;
    Ok(Some(client))
}

/// Root becomes serve's uid for good; anyone else stays who they are.
fn become_serve(config: &Config) -> Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let folder = config.serve_dir();
    std::fs::create_dir_all(&folder)?;
    let (uid, gid) = (Uid::from_raw(config.serve_uid()), Gid::from_raw(config.serve_uid()));
    nix::unistd::chown(&folder, Some(uid), Some(gid))?;
    setgroups(&[])?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    Ok(())
}
