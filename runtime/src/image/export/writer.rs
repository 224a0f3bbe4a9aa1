//! Writing those entries of the layers that are seen.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tar::{Archive, Builder, Entry, EntryType, Header};

use super::plain;
use super::view::{View, path_of};
use crate::archive::whiteout::{Asks, asks};

/// PAX records that say what the header of the new entry says again.
const WRITTEN: [&str; 3] = ["path", "linkpath", "size"];

pub(super) struct Writer<'a> {
    tar: Builder<&'a mut dyn Write>,
    view: &'a View,
}

impl<'a> Writer<'a> {
    pub(super) fn new(out: &'a mut dyn Write, view: &'a View) -> Self {
        Self { tar: Builder::new(out), view }
    }

    /// Writes what is seen of one layer.
    pub(super) fn layer<R: Read>(&mut self, number: usize, archive: &mut Archive<R>) -> io::Result<()> {
        for entry in archive.entries()? {
            let mut entry = entry?;
            let Some(path) = path_of(&entry) else { continue };
            if asks(as_path(&path)) != Asks::Nothing {
                continue;
            }
            if self.view.layer_of(&path) == Some(number) {
                self.entry(number, &mut entry, &path)?;
            } else if let Some(link) = self.view.moved_to(number, &path) {
                let link = link.to_vec();
                self.append(&mut entry, &link, None)?;
            }
        }
        Ok(())
    }

    pub(super) fn finish(self) -> io::Result<()> {
        self.tar.into_inner()?.flush()
    }

    fn entry<R: Read>(&mut self, number: usize, entry: &mut Entry<'_, R>, path: &[u8]) -> io::Result<()> {
        let kind = entry.header().entry_type();
        let target = entry.link_name_bytes().map(|name| name.into_owned());
        if kind != EntryType::Link {
            return self.append(entry, path, target.as_deref());
        }
        let Some(target) = target.and_then(|target| plain(&target)) else { return Ok(()) };
        match self.view.moved_to(number, &target).map(<[u8]>::to_vec) {
            // The file itself was written in its place.
            Some(first) if first == path => Ok(()),
            Some(first) => self.append(entry, path, Some(&first)),
            None => self.append(entry, path, Some(&target)),
        }
    }

    fn append<R: Read>(
        &mut self,
        entry: &mut Entry<'_, R>,
        path: &[u8],
        target: Option<&[u8]>,
    ) -> io::Result<()> {
        self.append_records(entry)?;
        let mut header = header(entry)?;
        // The tree itself.
        let path = if path.is_empty() { Path::new("./") } else { as_path(path) };
        match target {
            Some(target) => self.tar.append_link(&mut header, path, as_path(target)),
            None => self.tar.append_data(&mut header, path, entry),
        }
    }

    /// Attributes, and what does not fit into a header.
    fn append_records<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> io::Result<()> {
        let mut kept: Vec<(String, Vec<u8>)> = Vec::new();
        for record in entry.pax_extensions()?.into_iter().flatten() {
            let record = record?;
            let key = record.key().map_err(io::Error::other)?;
            if !WRITTEN.contains(&key) && !key.starts_with("GNU.sparse.") {
                kept.push((key.to_owned(), record.value_bytes().to_vec()));
            }
        }
        if kept.is_empty() {
            return Ok(());
        }
        self.tar.append_pax_extensions(kept.iter().map(|(key, value)| (key.as_str(), value.as_slice())))
    }
}

/// A new header, since that of a sparse file describes its holes.
fn header<R: Read>(entry: &Entry<'_, R>) -> io::Result<Header> {
    let old = entry.header();
    let mut new = Header::new_gnu();
    new.set_entry_type(match old.entry_type() {
        EntryType::GNUSparse | EntryType::Continuous => EntryType::Regular,
        kind => kind,
    });
    new.set_mode(old.mode()?);
    new.set_uid(old.uid()?);
    new.set_gid(old.gid()?);
    new.set_mtime(old.mtime()?);
    new.set_size(if new.entry_type() == EntryType::Regular { entry.size() } else { 0 });
    if let (Ok(Some(major)), Ok(Some(minor))) = (old.device_major(), old.device_minor()) {
        new.set_device_major(major)?;
        new.set_device_minor(minor)?;
    }
    Ok(new)
}

fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}
