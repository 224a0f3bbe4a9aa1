//! `sandlot image`: the content store from the command line, one verb a file, with the arguments of `docker image`.

mod arguments;
mod build;
mod export;
mod history;
mod import;
mod inspect;
mod load;
mod ls;
mod make;
mod moment;
mod output;
mod pack;
mod place;
mod prune;
mod pull;
mod push;
mod registry;
mod rm;
mod save;
mod tag;
mod verify;

use std::io::Write;

use anyhow::Result;

pub(super) use arguments::ImageCommand;
use arguments::With;

/// Does what a command says.
///
/// # Errors
/// What it failed with, and what to do.
pub(super) fn run(command: ImageCommand, out: &mut dyn Write) -> Result<()> {
    match command {
        ImageCommand::Ls(given) => with(given, |config, what| ls::run(config, &what, out)),
        ImageCommand::Pull(given) => with(given, |config, what| pull::run(config, &what, out)),
        ImageCommand::Push(given) => with(given, |config, what| push::run(config, &what, out)),
        ImageCommand::Build(given) => with(given, |config, what| build::run(config, &what)),
        ImageCommand::Load(given) => with(given, |config, what| load::run(config, &what, out)),
        ImageCommand::Save(given) => with(given, |config, what| save::run(config, &what)),
        ImageCommand::Import(given) => with(given, |config, what| import::run(config, &what, out)),
        ImageCommand::Export(given) => with(given, |config, what| export::run(config, &what)),
        ImageCommand::Tag(given) => with(given, |config, what| tag::run(config, &what)),
        ImageCommand::Rm(given) => with(given, |config, what| rm::run(config, &what, out)),
        ImageCommand::Inspect(given) => with(given, |config, what| inspect::run(config, &what, out)),
        ImageCommand::History(given) => with(given, |config, what| history::run(config, &what, out)),
        ImageCommand::Prune(given) => with(given, |config, what| prune::run(config, &what, out)),
        ImageCommand::Verify(given) => with(given, |config, _| verify::run(config, out)),
        ImageCommand::Pack(what) => pack::run(&what),
        ImageCommand::Make(given) => with(given, |config, what| make::run(config, &what)),
    }
}

fn with<T: clap::Args>(
    given: With<T>,
    run: impl FnOnce(&crate::config::Config, T) -> Result<()>,
) -> Result<()> {
    run(&crate::config::Config::load(*given.options)?, given.what)
}
