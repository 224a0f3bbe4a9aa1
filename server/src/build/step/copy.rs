//! COPY and ADD.

mod download;
mod fetch;
mod put;
mod unpack;
mod words;

use std::io::{self, Write};

use sandlot_runtime::image::Digest;
use sandlot_runtime::supervisor::client::Client;

use self::download::Fetched;
use self::put::Put;
use self::words::Words;
use super::super::cache::Key;
use super::super::dockerfile::Step;
use super::super::dockerfile::instruction::Copy;
use super::super::error::{Error, Result};
use super::super::files::Files;
use super::super::ignore::Ignore;
use super::super::machine::Fittings;
use super::super::select::{self, Source};
use super::super::stage::StageRun;
use super::absolute;

/// Copies files into the image.
pub(super) fn copy(
    stage: &mut StageRun<'_>,
    copy: &Copy,
    step: &Step,
    is_add: bool,
    client: &mut Client,
) -> Result<()> {
    let line = step.line;
    let words = Words::replace(stage, copy, is_add, line)?;
    let downloads = download::all(stage, &words.urls, copy.checksum.as_deref(), line)?;
    let key = key(stage, &words, copy, &downloads, is_add, line)?;
    let keyword = if is_add { "ADD" } else { "COPY" };
    let all =
        words.sources.iter().chain(words.urls.iter()).chain(words.documents.iter().map(|(name, _)| name));
    let text = format!("{keyword} {} {}", all.cloned().collect::<Vec<_>>().join(" "), words.destination);
    stage.layer(
        client,
        &key,
        &text,
        |stage, client| {
            let fetch = |from| fetch::files(stage, from, &words, client);
            Ok((Fittings::default(), words.from.as_deref().map(fetch).transpose()?))
        },
        |stage, machine, foreign| {
            let files = foreign.as_ref().unwrap_or(&stage.shared.request.context.files);
            let put = Put::new(stage, machine, &words, line)?;
            put.sources(machine, files, &words, is_add && copy.unpack != Some(false), line)?;
            put.documents(machine, &words.documents)?;
            put.downloads(machine, downloads, copy.unpack == Some(true))?;
            Ok(true)
        },
    )
}

fn key(
    stage: &StageRun<'_>,
    words: &Words,
    copy: &Copy,
    downloads: &[Fetched],
    is_add: bool,
    line: usize,
) -> Result<Digest> {
    let mut key = Key::new("copy", &stage.so_far.layers.chain(), stage.shared.clock.fixed);
    key.add(&absolute(stage.so_far.config.folder(), &words.destination));
    let folder = words.destination.ends_with('/');
    key.add(&format!(
        "{folder} {is_add} {:?} {:?} {} {:?} {}",
        copy.unpack, words.chown, words.chmod_text, copy.excludes, copy.parents
    ));
    for (name, text) in &words.documents {
        key.add(name);
        key.add(text);
    }
    for fetched in downloads {
        key.add(&format!("{} {} {}", fetched.name, fetched.digest, fetched.changed));
    }
    match &words.from {
        Some(from) => {
            key.add(&stage.from(from)?.layers.chain().to_string());
            words.sources.iter().for_each(|source| key.add(source));
        }
        None => {
            let files = &stage.shared.request.context.files;
            for source in select::find(files, &words.sources, copy.parents, line)? {
                key.add(&String::from_utf8_lossy(&source.name));
                select::hash(files, &source, &words.leaves_out, false, key.hasher())
                    .map_err(Error::io("read the context"))?;
            }
        }
    }
    Ok(key.finish())
}

/// A whole table of files as a tar.
pub(super) fn write_all(files: &Files, out: &mut dyn Write) -> io::Result<()> {
    Put::everywhere().write(out, files, &Source::everything(), b"", &Ignore::default())
}
