//! A tar archive with images in it, opened for random access to its members.
//!
//! Names in it are keys of a table and never become paths.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Component, Path};

use serde::de::DeserializeOwned;
use tar::EntryType;

use super::compression::{Compression, uncompressed};
use super::{Error, Store, document};
use crate::archive::reader::Reader;

/// Members that are remembered. An image archive has a few for each layer; more are those of a root file system.
const MAX_MEMBERS: usize = 4096;
/// Links from one member to the next that are followed.
const MAX_LINKS: usize = 8;

/// Where the bytes of a member are.
#[derive(Debug, Clone)]
enum Member {
    File { at: u64, size: u64 },
    Link(String),
}

/// An uncompressed archive and the members found in it.
#[derive(Debug)]
pub(super) struct Archive {
    file: File,
    members: HashMap<String, Member>,
    /// All entries, also those that are not remembered.
    pub(super) entries: usize,
}

impl Archive {
    /// Takes what `input` holds, from its beginning or as far as a pipe still gives; it may be compressed.
    pub(super) fn open(mut input: File, store: &Store) -> Result<Self, Error> {
        let what = "the archive";
        let is_file = input.metadata().map_err(Error::io("read", what))?.is_file();
        if is_file && Compression::of_file(&mut input, what)? == Compression::None {
            return Self::scan(input);
        }
        Self::scan(store.spool(uncompressed(input, what)?, what)?)
    }

    /// Reads the table of an uncompressed archive.
    fn scan(file: File) -> Result<Self, Error> {
        let failed = || Error::io("read", "the archive");
        let mut archive = Self { file, members: HashMap::new(), entries: 0 };
        let mut handle = archive.file.try_clone().map_err(failed())?;
        handle.rewind().map_err(failed())?;
        let mut tar = Reader::seeking(handle);
        while let Some(entry) = tar.next_member().map_err(failed())? {
            archive.entries += 1;
            let Some(name) = plain_name(&entry.path) else { continue };
            let member = match entry.kind {
                EntryType::Regular if !entry.is_sparse => {
                    Member::File { at: tar.content_at(), size: entry.length }
                }
                EntryType::Link => link("", entry.target()),
                EntryType::Symlink => link(&name, entry.target()),
                _ => continue,
            };
            if archive.members.len() < MAX_MEMBERS {
                archive.members.insert(name, member);
            }
        }
        Ok(archive)
    }

    /// Whether a member of this name is remembered.
    pub(super) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// The bytes of a member.
    pub(super) fn member(&self, name: &str) -> Result<impl Read + use<>, Error> {
        let mut at = name;
        for _ in 0..MAX_LINKS {
            match self.members.get(at) {
                Some(Member::File { at, size }) => return self.section(*at, *size),
                Some(Member::Link(target)) => at = target,
                None => break,
            }
        }
        Err(Error::Missing(name.chars().take(200).collect()))
    }

    /// A member that is a document, whole.
    pub(super) fn document(&self, name: &str) -> Result<Vec<u8>, Error> {
        document::read(self.member(name)?, name)
    }

    /// A member that is a JSON document.
    pub(super) fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T, Error> {
        document::parse(&self.document(name)?, name)
    }

    fn section(&self, at: u64, size: u64) -> Result<io::Take<File>, Error> {
        let failed = || Error::io("read", "the archive");
        let mut file = self.file.try_clone().map_err(failed())?;
        file.seek(SeekFrom::Start(at)).map_err(failed())?;
        Ok(file.take(size))
    }
}

/// A member's name without `.`; `None` for one with `..` or that is no text.
fn plain_name(bytes: &[u8]) -> Option<String> {
    resolve("", std::str::from_utf8(bytes).ok()?)
}

/// Where a link leads: from the archive's root for a hard link, from its own folder for a symbolic one.
fn link(from: &str, target: Option<&[u8]>) -> Member {
    let target =
        target.and_then(|bytes| std::str::from_utf8(bytes).ok()).and_then(|text| resolve(from, text));
    Member::Link(target.unwrap_or_default())
}

/// `target` seen from the folder of `from`, by names alone.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for component in Path::new(target).components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::ParentDir => drop(parts.pop()?),
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(parts.join("/"))
}
