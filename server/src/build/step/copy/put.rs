//! Putting files where they go.

use std::io::{self, Write};
use std::path::PathBuf;

use tar::{EntryType, Header};

use super::Words;
use super::download::Fetched;
use crate::build::chmod::Mode;
use crate::build::error::{Error, Result};
use crate::build::files::{Entry, Files, Kind, joined};
use crate::build::ignore::Ignore;
use crate::build::machine::BuildMachine;
use crate::build::owner;
use crate::build::select::{self, Source};
use crate::build::stage::StageRun;
use crate::build::step::absolute;

const S_IFMT: u32 = 0o170_000;
const S_IFDIR: u32 = 0o040_000;
const S_IFLNK: u32 = 0o120_000;
/// Links that are followed from a destination.
const MAX_LINKS: usize = 40;

/// Where files go, and as whose.
pub(super) struct Put {
    pub(super) destination: String,
    /// Files go into it under their own names.
    is_folder: bool,
    pub(super) owner: Option<(u64, u64)>,
    pub(super) chmod: Option<Mode>,
    keeps_owner: bool,
}

impl Put {
    /// At the root, as it comes.
    pub(super) fn everywhere() -> Self {
        let destination = "/".to_owned();
        Self { destination, is_folder: true, owner: None, chmod: None, keeps_owner: false }
    }

    pub(super) fn new(
        stage: &StageRun<'_>,
        machine: &mut BuildMachine<'_>,
        words: &Words,
        line: usize,
    ) -> Result<Self> {
        let destination = followed(machine, absolute(stage.so_far.config.folder(), &words.destination))?;
        let there = machine.stat(&format!("{}/", destination.trim_end_matches('/')))?;
        let is_there = there.is_some_and(|stat| stat.mode & S_IFMT == S_IFDIR);
        let several = words.sources.len() + words.documents.len() + words.urls.len() > 1;
        let named = words.destination.ends_with('/')
            || matches!(words.destination.as_str(), "." | "..")
            || words.destination.ends_with("/.");
        Ok(Self {
            is_folder: is_there || several || named || words.parents,
            owner: words.chown.as_ref().map(|text| owner::find(machine, text, line)).transpose()?,
            chmod: words.chmod.clone(),
            keeps_owner: words.from.is_some(),
            destination,
        })
    }

    /// Folder to extract in, and the name of a single file.
    fn place(&self, name: &[u8]) -> (String, Vec<u8>) {
        match self.destination.rsplit_once('/') {
            Some((parent, own)) if !self.is_folder => {
                (if parent.is_empty() { "/".to_owned() } else { parent.to_owned() }, own.as_bytes().to_vec())
            }
            _ => (self.destination.clone(), name.to_vec()),
        }
    }

    pub(super) fn sources(
        &self,
        machine: &mut BuildMachine<'_>,
        files: &Files,
        words: &Words,
        unpacks: bool,
        line: usize,
    ) -> Result<()> {
        let found = select::find(files, &words.sources, words.parents, line)?;
        let several = found.len() > 1;
        for source in &found {
            if !source.is_folder && unpacks && self.unpack_archive(machine, files, source)? {
                continue;
            }
            let (folder, name) = match source.is_folder {
                true => (self.destination.clone(), Vec::new()),
                false if several && !self.is_folder => (self.destination.clone(), source.name.clone()),
                false => self.place(&source.name),
            };
            self.make_folders(machine, &folder)?;
            machine.put(&folder, |out| self.write(out, files, source, &name, &words.leaves_out))?;
        }
        Ok(())
    }

    /// Makes the folders on the way that are not there, as the owner's. Without one they are made as root's anyway.
    fn make_folders(&self, machine: &mut BuildMachine<'_>, folder: &str) -> Result<()> {
        let Some((uid, gid)) = self.owner else { return Ok(()) };
        let (mut above, mut missing) = (folder.trim_end_matches('/').to_owned(), Vec::new());
        while !above.is_empty() && machine.stat(&format!("{above}/"))?.is_none() {
            let (parent, name) = above.rsplit_once('/').unwrap_or_default();
            missing.push(name.to_owned());
            above = parent.to_owned();
        }
        if missing.is_empty() {
            return Ok(());
        }
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Directory);
        header.set_mode(0o755);
        header.set_uid(uid);
        header.set_gid(gid);
        header.set_size(0);
        machine.put(&format!("{above}/"), |out| {
            let (mut tar, mut path) = (tar::Builder::new(out), PathBuf::new());
            while let Some(name) = missing.pop() {
                path.push(name);
                tar.append_data(&mut header, &path, io::empty())?;
            }
            tar.finish()
        })
    }

    /// One source as a tar.
    pub(super) fn write(
        &self,
        out: &mut dyn Write,
        files: &Files,
        source: &Source,
        name: &[u8],
        leaves_out: &Ignore,
    ) -> io::Result<()> {
        let mut tar = tar::Builder::new(out);
        for (below, path) in source.folders() {
            self.append(&mut tar, files, files.get(&path).unwrap_or(&Entry::folder()), &below, None)?;
        }
        let prefix = source.prefix();
        let all = select::entries(files, source, leaves_out);
        let mut written: std::collections::HashMap<Vec<u8>, Vec<u8>> = std::collections::HashMap::new();
        for (relative, path, entry) in all {
            let to = joined(&prefix, if source.is_folder { &relative } else { name });
            let original = match &entry.kind {
                Kind::Same(original) => original.clone(),
                _ => path,
            };
            let same = written.get(&original).cloned();
            self.append(&mut tar, files, entry, &to, same.as_deref())?;
            written.entry(original).or_insert(to);
        }
        tar.finish()
    }

    fn append(
        &self,
        tar: &mut tar::Builder<&mut dyn Write>,
        files: &Files,
        entry: &Entry,
        name: &[u8],
        same: Option<&[u8]>,
    ) -> io::Result<()> {
        use std::os::unix::ffi::OsStrExt;
        let path = |bytes: &[u8]| PathBuf::from(std::ffi::OsStr::from_bytes(bytes));
        let mut header = self.header(entry);
        let is_file = files.file(entry).is_some();
        if let Some(same) = same.filter(|_| is_file) {
            header.set_entry_type(EntryType::Link);
            return tar.append_link(&mut header, path(name), path(same));
        }
        if !entry.attributes.is_empty() {
            let records = entry.attributes.iter().map(|(key, value)| (format!("SCHILY.xattr.{key}"), value));
            let records: Vec<_> = records.collect();
            tar.append_pax_extensions(records.iter().map(|(key, value)| (key.as_str(), value.as_slice())))?;
        }
        match &entry.kind {
            Kind::Link(target) => {
                header.set_entry_type(EntryType::Symlink);
                tar.append_link(&mut header, path(name), path(target))
            }
            Kind::Folder => {
                header.set_entry_type(EntryType::Directory);
                tar.append_data(&mut header, path(name), io::empty())
            }
            Kind::Other { kind, device } => {
                header.set_entry_type(EntryType::new(*kind));
                if let Some((major, minor)) = device {
                    header.set_device_major(*major)?;
                    header.set_device_minor(*minor)?;
                }
                tar.append_data(&mut header, path(name), io::empty())
            }
            Kind::File { .. } | Kind::Same(_) => {
                let (_, _, size) = files.file(entry).ok_or(io::ErrorKind::NotFound)?;
                header.set_size(size);
                tar.append_data(&mut header, path(name), files.open(entry)?)
            }
        }
    }

    fn header(&self, entry: &Entry) -> Header {
        let mut header = Header::new_gnu();
        let owner = self.owner.unwrap_or(if self.keeps_owner { entry.owner } else { (0, 0) });
        let is_folder = entry.kind == Kind::Folder;
        let mode = match (&self.chmod, &entry.kind) {
            (Some(chmod), kind) if !matches!(kind, Kind::Link(_)) => chmod.apply(entry.mode, is_folder),
            _ => entry.mode,
        };
        header.set_mode(mode);
        header.set_uid(owner.0);
        header.set_gid(owner.1);
        header.set_mtime(entry.mtime);
        header.set_size(0);
        header
    }

    pub(super) fn documents(
        &self,
        machine: &mut BuildMachine<'_>,
        documents: &[(String, String)],
    ) -> Result<()> {
        for (name, text) in documents {
            let (folder, name) = self.place(name.as_bytes());
            self.make_folders(machine, &folder)?;
            let mut entry = Entry::folder();
            entry.kind = Kind::Other { kind: EntryType::Regular.as_byte(), device: None };
            entry.mode = 0o644;
            let mut header = self.header(&entry);
            header.set_size(text.len() as u64);
            machine.put(&folder, |out| append_one(out, header, &name, &mut text.as_bytes()))?;
        }
        Ok(())
    }

    pub(super) fn downloads(
        &self,
        machine: &mut BuildMachine<'_>,
        downloads: Vec<Fetched>,
        unpacks: bool,
    ) -> Result<()> {
        for mut fetched in downloads {
            if unpacks
                && self.unpack(
                    machine,
                    fetched.content.try_clone().map_err(Error::io("read what a URL gave"))?,
                )?
            {
                continue;
            }
            let failed = Error::io("read what a URL gave");
            let size = io::Seek::rewind(&mut fetched.content)
                .and_then(|()| fetched.content.metadata())
                .map_err(failed)?
                .len();
            let mut entry = Entry::folder();
            entry.kind = Kind::Other { kind: EntryType::Regular.as_byte(), device: None };
            (entry.mode, entry.mtime) = (0o600, fetched.changed);
            let mut header = self.header(&entry);
            header.set_size(size);
            let (folder, name) = self.place(fetched.name.as_bytes());
            self.make_folders(machine, &folder)?;
            machine.put(&folder, |out| append_one(out, header, &name, &mut fetched.content))?;
        }
        Ok(())
    }
}

/// Where a destination leads when it is a link itself.
fn followed(machine: &mut BuildMachine<'_>, mut destination: String) -> Result<String> {
    for _ in 0..MAX_LINKS {
        let itself = destination.trim_end_matches('/');
        match if itself.is_empty() { None } else { machine.stat(itself)? } {
            Some(stat) if stat.mode & S_IFMT == S_IFLNK => destination = stat.link_target,
            _ => break,
        }
    }
    Ok(destination)
}

fn append_one(
    out: &mut dyn Write,
    mut header: Header,
    name: &[u8],
    content: &mut dyn io::Read,
) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let mut tar = tar::Builder::new(out);
    header.set_entry_type(EntryType::Regular);
    tar.append_data(&mut header, std::ffi::OsStr::from_bytes(name), content)?;
    tar.finish()
}
