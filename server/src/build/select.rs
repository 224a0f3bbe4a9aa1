//! What COPY and ADD take: sources found in a table of files, with the names they get.

use std::io;

use sandlot_runtime::image::{Algorithm, Hasher};

use super::error::{Error, Result};
use super::files::{Entry, Files, Kind, joined, last, parts, plain};
use super::glob::{Glob, is_pattern};
use super::ignore::Ignore;

/// One source, as it was found.
#[derive(Debug)]
pub(super) struct Source {
    /// Where it is in the table, after following links.
    pub(super) path: Vec<u8>,
    /// Its name, for a file that goes into a folder.
    pub(super) name: Vec<u8>,
    /// Whether its content goes to the destination instead of itself.
    pub(super) is_folder: bool,
    /// Folders below the destination that it goes to, as in the table: how many of its path's parts come before them,
    /// and the path to the last one. Nothing without `--parents`.
    pub(super) parents: Option<(usize, Vec<u8>)>,
}

impl Source {
    /// The whole table.
    pub(super) fn everything() -> Self {
        Self { path: Vec::new(), name: Vec::new(), is_folder: true, parents: None }
    }

    /// Each of those folders: below the destination, and in the table.
    pub(super) fn folders(&self) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
        let (left_out, path) = self.parents.clone().unwrap_or_default();
        let names: Vec<Vec<u8>> = parts(&path).filter(|part| !part.is_empty()).map(<[u8]>::to_vec).collect();
        (left_out + 1..=names.len()).map(move |end| {
            let part = |from: usize| names.get(from..end).unwrap_or_default().join(&b'/');
            (part(left_out), part(0))
        })
    }

    /// Where its content goes below the destination.
    pub(super) fn prefix(&self) -> Vec<u8> {
        self.folders().last().map(|(below, _)| below).unwrap_or_default()
    }
}

/// Finds the sources of an instruction.
///
/// # Errors
/// When one is not there, or a pattern fits nothing.
pub(super) fn find(files: &Files, wanted: &[String], with_parents: bool, line: usize) -> Result<Vec<Source>> {
    let mut found = Vec::new();
    for text in wanted {
        let missing = || Error::at(line, format!("copy `{text}`: no such file or folder"));
        let path = plain(text.as_bytes())
            .ok_or_else(|| Error::at(line, format!("copy `{text}`: it is outside the context")))?;
        let before = found.len();
        let left_out = with_parents.then(|| parts_before_pivot(text));
        if is_pattern(text) {
            let pattern = Glob::new(&String::from_utf8_lossy(&path))
                .map_err(|cause| Error::at(line, format!("copy `{text}`: {cause}")))?;
            for (name, _) in files.all().filter(|(name, _)| !name.is_empty()) {
                if pattern.matches(&String::from_utf8_lossy(name)) {
                    found.extend(source(files, name, left_out));
                }
            }
        } else {
            found.extend(source(files, &path, left_out));
        }
        if found.len() == before {
            return Err(missing());
        }
    }
    Ok(found)
}

/// What stands before `/./` is not kept of a path.
fn parts_before_pivot(text: &str) -> usize {
    let text = text.trim_start_matches("./");
    let before = text.find("/./").and_then(|at| text.get(..at)).unwrap_or_default();
    before.split('/').filter(|part| !matches!(*part, "" | ".")).count()
}

fn source(files: &Files, path: &[u8], left_out: Option<usize>) -> Option<Source> {
    let resolved = files.resolve(path)?;
    let is_folder = files.get(&resolved).is_none_or(|entry| entry.kind == Kind::Folder);
    let end = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    let above = if is_folder { path } else { path.get(..end).unwrap_or_default() };
    let parents = left_out.map(|left_out| (left_out, above.to_vec()));
    Some(Source { name: last(path).to_vec(), path: resolved, is_folder, parents })
}

/// What is copied of a source: names below the destination, the entry, and where it is in the table.
pub(super) fn entries<'a>(
    files: &'a Files,
    source: &'a Source,
    leaves_out: &Ignore,
) -> Vec<(Vec<u8>, Vec<u8>, &'a Entry)> {
    if !source.is_folder {
        let kept = !leaves_out.excludes(&String::from_utf8_lossy(&source.name));
        let entry = files.get(&source.path).filter(|_| kept);
        return entry.map(|entry| (source.name.clone(), source.path.clone(), entry)).into_iter().collect();
    }
    files
        .below(&source.path)
        .filter(|(name, _)| !leaves_out.excludes(&String::from_utf8_lossy(name)))
        .map(|(name, entry)| (name.to_vec(), joined(&source.path, name), entry))
        .collect()
}

/// Adds to `hasher` what matters of a source for the result: names, content and metadata, but no times.
///
/// # Errors
/// When content cannot be read.
pub(super) fn hash(
    files: &Files,
    source: &Source,
    leaves_out: &Ignore,
    keeps_owner: bool,
    hasher: &mut Hasher,
) -> io::Result<()> {
    hasher.update(&[u8::from(source.is_folder)]);
    for (below, path) in source.folders() {
        let mode = files.get(&path).map_or(0o755, |entry| entry.mode);
        hasher.update(&below);
        hasher.update(format!("\0{mode:o}\0").as_bytes());
    }
    if source.is_folder {
        let mode = files.get(&source.path).map_or(0o755, |entry| entry.mode);
        hasher.update(&mode.to_le_bytes());
    }
    for (name, _, entry) in entries(files, source, leaves_out) {
        let owner = if keeps_owner { entry.owner } else { (0, 0) };
        let what = match &entry.kind {
            Kind::Folder => "folder".to_owned(),
            Kind::File { .. } | Kind::Same(_) if files.file(entry).is_some() => {
                files.digest(entry)?.to_string()
            }
            other => format!("{other:?}"),
        };
        let mut one = Hasher::new(Algorithm::Sha256);
        one.update(&name);
        one.update(format!("\0{what} {:o} {owner:?} {:?}", entry.mode, entry.attributes).as_bytes());
        hasher.update(one.finish().hex().as_bytes());
    }
    Ok(())
}
