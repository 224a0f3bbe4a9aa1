//! Files of other stages and images.

use sandlot_runtime::supervisor::client::Client;

use super::words::Words;
use crate::build::error::{Error, Result};
use crate::build::files::Files;
use crate::build::glob;
use crate::build::machine::{BuildMachine, Fittings};
use crate::build::stage::StageRun;
use crate::build::step::absolute;

/// Files of another stage or image: what the sources have in common, as a table with its paths from the root.
pub(super) fn files(stage: &StageRun<'_>, from: &str, words: &Words, client: &mut Client) -> Result<Files> {
    let shared = stage.shared;
    let layers = stage.from(from)?.layers.clone();
    layers.unpack(&shared.lease, client)?;
    let mut machine = BuildMachine::start(client, &layers, shared.request.limits, &Fittings::default())?;
    let mut all = Files::default();
    for source in &words.sources {
        let fixed = fixed_part(source);
        // Links on the way are followed by the machine, the last one here.
        let tar = machine.get(&format!("/{fixed}"), |tar| Ok(shared.lease.store().spool_tar(tar)?))?;
        let Some(tar) = tar else { continue };
        let parent = fixed.rsplit_once('/').map_or("", |(parent, _)| parent);
        all.add(tar, parent.as_bytes()).map_err(Error::io("read files of another image"))?;
        follow(&mut machine, &mut all, &fixed, stage)?;
        if words.parents {
            look_at_folders(&mut machine, &mut all, parent)?;
        }
    }
    Ok(all)
}

/// The folders that a source is in.
fn look_at_folders(machine: &mut BuildMachine<'_>, all: &mut Files, mut path: &str) -> Result<()> {
    while !path.is_empty() {
        if let Some(stat) = machine.stat(&format!("/{path}/"))? {
            all.folder(path.as_bytes(), stat.mode & 0o7777, (stat.uid.into(), stat.gid.into()));
        }
        path = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    }
    Ok(())
}

/// A source that is a link: what it leads to is needed as well.
fn follow(machine: &mut BuildMachine<'_>, all: &mut Files, path: &str, stage: &StageRun<'_>) -> Result<()> {
    let Some(stat) = machine.stat(&format!("/{path}"))? else { return Ok(()) };
    if stat.link_target.is_empty() {
        return Ok(());
    }
    let target = absolute("/", &stat.link_target).trim_start_matches('/').to_owned();
    let tar = machine.get(&format!("/{target}"), |tar| Ok(stage.shared.lease.store().spool_tar(tar)?))?;
    let Some(tar) = tar else { return Ok(()) };
    let parent = target.rsplit_once('/').map_or("", |(parent, _)| parent);
    all.add(tar, parent.as_bytes()).map_err(Error::io("read files of another image"))?;
    all.link(path.as_bytes(), target.as_bytes());
    Ok(())
}

/// The path before the first pattern.
fn fixed_part(source: &str) -> String {
    let path = absolute("/", source);
    let parts = path.trim_start_matches('/').split('/');
    parts.take_while(|part| !glob::is_pattern(part)).collect::<Vec<_>>().join("/")
}
