//! Files as they stand in a tar: a table of its entries, whose content stays in the archive.
//!
//! The context of a build and what is copied from other images both come so. Nothing is ever unpacked here: a name is a key
//! of the table, and links are followed by the table alone, so none leads anywhere else.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

use sandlot_runtime::archive::reader::{Member, Reader};
use sandlot_runtime::image::{Algorithm, Digest, Hasher};
use tar::EntryType;

/// Entries of one tar, at most.
const MAX_ENTRIES: usize = 2_000_000;
/// Links that are followed from one name.
const MAX_LINKS: usize = 40;

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    /// Where its bytes are.
    File {
        tar: usize,
        at: u64,
        size: u64,
    },
    /// A symbolic link.
    Link(Vec<u8>),
    /// Another name of the file at this path.
    Same(Vec<u8>),
    /// A pipe or device: kept as its header says.
    Other {
        kind: u8,
        device: Option<(u32, u32)>,
    },
}

/// One entry.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) owner: (u64, u64),
    pub(super) mtime: u64,
    /// Names without their prefix of PAX records, with values.
    pub(super) attributes: Vec<(String, Vec<u8>)>,
    digest: OnceLock<Digest>,
}

/// A table over one tar or several.
#[derive(Debug, Default)]
pub(super) struct Files {
    tars: Vec<File>,
    entries: BTreeMap<Vec<u8>, Entry>,
}

impl Files {
    /// Reads the table of an uncompressed tar from its beginning.
    pub(super) fn read(tar: File) -> io::Result<Self> {
        let mut files = Self::empty();
        files.add(tar, b"")?;
        Ok(files)
    }

    /// A table of nothing but its top.
    pub(super) fn empty() -> Self {
        Self { tars: Vec::new(), entries: BTreeMap::from([(Vec::new(), Entry::folder())]) }
    }

    /// Adds the entries of another tar below a folder.
    pub(super) fn add(&mut self, tar: File, folder: &[u8]) -> io::Result<()> {
        let number = self.tars.len();
        let mut handle = tar.try_clone()?;
        io::Seek::rewind(&mut handle)?;
        let mut archive = Reader::seeking(handle);
        while let Some(member) = archive.next_member()? {
            let Some(path) = plain(&member.path) else {
                return Err(io::Error::other("a name in the archive leads out of it"));
            };
            if self.entries.len() == MAX_ENTRIES {
                return Err(io::Error::other(format!("more than {MAX_ENTRIES} files")));
            }
            let read = read_entry(&member, (number, archive.content_at()), folder)?;
            let path = if path.is_empty() { folder.to_vec() } else { joined(folder, &path) };
            self.entries.insert(path, read);
        }
        self.tars.push(tar);
        Ok(())
    }

    /// Adds a folder, unless something is there.
    pub(super) fn folder(&mut self, path: &[u8], mode: u32, owner: (u64, u64)) {
        self.entries.entry(path.to_vec()).or_insert_with(|| Entry { mode, owner, ..Entry::folder() });
    }

    /// Lets a path lead to another one.
    pub(super) fn link(&mut self, path: &[u8], target: &[u8]) {
        let kind = Kind::Link([b"/", target].concat());
        self.entries.insert(path.to_vec(), Entry { kind, ..Entry::folder() });
    }

    /// The entry at a path, which follows no link.
    pub(super) fn get(&self, path: &[u8]) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// All entries in the order of their paths.
    pub(super) fn all(&self) -> impl Iterator<Item = (&[u8], &Entry)> {
        self.entries.iter().map(|(path, entry)| (path.as_slice(), entry))
    }

    /// What is below a folder, with paths relative to it.
    pub(super) fn below<'a>(&'a self, folder: &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a Entry)> {
        let start = if folder.is_empty() { Vec::new() } else { [folder, b"/"].concat() };
        let prefix = start.clone();
        self.entries.range(start..).take_while(move |(path, _)| path.starts_with(&prefix)).filter_map(
            move |(path, entry)| {
                let rest = if folder.is_empty() { path.as_slice() } else { path.get(folder.len() + 1..)? };
                (!rest.is_empty()).then_some((rest, entry))
            },
        )
    }

    /// Forgets an entry and what is below it.
    pub(super) fn retain(&mut self, keep: impl Fn(&[u8]) -> bool) {
        self.entries.retain(|path, _| path.is_empty() || keep(path));
    }

    /// Where a path leads if links are followed inside the table; `None` if nowhere.
    pub(super) fn resolve(&self, path: &[u8]) -> Option<Vec<u8>> {
        let mut links = 0;
        let mut rest: Vec<Vec<u8>> = parts(path).rev().map(<[u8]>::to_vec).collect();
        let mut at: Vec<u8> = Vec::new();
        while let Some(part) = rest.pop() {
            match part.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    at.truncate(at.iter().rposition(|byte| *byte == b'/').unwrap_or(0));
                    continue;
                }
                _ => {}
            }
            let next = joined(&at, &part);
            match self.entries.get(&next).map(|entry| &entry.kind) {
                Some(Kind::Link(target)) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return None;
                    }
                    if target.starts_with(b"/") {
                        at.clear();
                    }
                    rest.extend(parts(target).rev().map(<[u8]>::to_vec));
                }
                Some(_) => at = next,
                // Folders that no entry stands for are there if something is below them.
                None if self.below(&next).next().is_some() => at = next,
                None => return None,
            }
        }
        Some(at)
    }

    /// The content of a file.
    pub(super) fn open(&self, entry: &Entry) -> io::Result<Section<'_>> {
        let (tar, at, size) = self.file(entry).ok_or_else(|| io::Error::other("it is no file"))?;
        let file = self.tars.get(tar).ok_or(io::ErrorKind::NotFound)?;
        Ok(Section { file, at, end: at + size })
    }

    /// Archive, place and size of a file's bytes, also of one by another name.
    pub(super) fn file(&self, entry: &Entry) -> Option<(usize, u64, u64)> {
        match &entry.kind {
            Kind::File { tar, at, size } => Some((*tar, *at, *size)),
            Kind::Same(path) => match self.entries.get(path)?.kind {
                Kind::File { tar, at, size } => Some((tar, at, size)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The digest of a file's content, counted once.
    pub(super) fn digest<'a>(&self, entry: &'a Entry) -> io::Result<&'a Digest> {
        if let Some(known) = entry.digest.get() {
            return Ok(known);
        }
        let mut hasher = Hasher::new(Algorithm::Sha256);
        let mut content = self.open(entry)?;
        let mut buffer = vec![0; 256 * 1024];
        loop {
            match content.read(&mut buffer)? {
                0 => return Ok(entry.digest.get_or_init(|| hasher.finish())),
                length => hasher.update(buffer.get(..length).unwrap_or_default()),
            }
        }
    }
}

impl Entry {
    pub(super) fn folder() -> Self {
        Self {
            kind: Kind::Folder,
            mode: 0o755,
            owner: (0, 0),
            mtime: 0,
            attributes: Vec::new(),
            digest: OnceLock::new(),
        }
    }
}

fn read_entry(member: &Member, (tar, at): (usize, u64), folder: &[u8]) -> io::Result<Entry> {
    let kind = match member.kind {
        EntryType::Directory => Kind::Folder,
        EntryType::Symlink => Kind::Link(member.link.clone()),
        EntryType::Link => Kind::Same(joined(folder, &plain(&member.link).unwrap_or_default())),
        kind @ (EntryType::Fifo | EntryType::Char | EntryType::Block) => {
            Kind::Other { kind: kind.as_byte(), device: member.device }
        }
        _ if member.is_sparse => {
            return Err(io::Error::other("the archive holds a sparse file: make it without -S"));
        }
        _ => Kind::File { tar, at, size: member.length },
    };
    let mut attributes: Vec<(String, Vec<u8>)> = member
        .attributes()
        .filter_map(|(name, value)| Some((std::str::from_utf8(name).ok()?.to_owned(), value.to_vec())))
        .collect();
    attributes.sort();
    Ok(Entry {
        kind,
        mode: member.mode,
        owner: (member.uid, member.gid),
        mtime: u64::try_from(member.time.0).unwrap_or(0),
        attributes,
        digest: OnceLock::new(),
    })
}

/// A part of the archive.
#[derive(Debug)]
pub(super) struct Section<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let length = left.min(into.len());
        let read = self.file.read_at(into.get_mut(..length).unwrap_or_default(), self.at)?;
        if read == 0 && length > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += read as u64;
        Ok(read)
    }
}

/// A name without `.`, `..` and empty parts; `None` when it leads out.
pub(super) fn plain(name: &[u8]) -> Option<Vec<u8>> {
    let mut path: Vec<&[u8]> = Vec::new();
    for part in parts(name) {
        match part {
            b"" | b"." => {}
            b".." => drop(path.pop()?),
            part => path.push(part),
        }
    }
    Some(path.join(&b'/'))
}

pub(super) fn parts(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
}

pub(super) fn joined(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() }
}

/// The last part of a path.
pub(super) fn last(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}
