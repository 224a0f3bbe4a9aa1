//! Writing those entries of the layers that are seen.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tar::EntryType;

use super::plain;
use super::view::View;
use crate::archive::reader::{Member, Reader};
use crate::archive::whiteout::{Asks, asks};
use crate::archive::{copy_member, end_archive};

pub(super) struct Writer<'a> {
    out: &'a mut dyn Write,
    view: &'a View,
}

impl<'a> Writer<'a> {
    pub(super) fn new(out: &'a mut dyn Write, view: &'a View) -> Self {
        Self { out, view }
    }

    /// Writes what is seen of one layer.
    pub(super) fn layer<R: Read>(&mut self, number: usize, archive: &mut Reader<R>) -> io::Result<()> {
        while let Some(member) = archive.next_member()? {
            let Some(path) = plain(&member.path) else { continue };
            if asks(Path::new(OsStr::from_bytes(&path))) != Asks::Nothing {
                continue;
            }
            if let Some(seen) = self.seen(number, path, member) {
                copy_member(&seen, archive, self.out)?;
            }
        }
        Ok(())
    }

    pub(super) fn finish(self) -> io::Result<()> {
        end_archive(self.out)
    }

    /// The member by the name that it is seen by.
    fn seen(&self, number: usize, path: Vec<u8>, member: Member) -> Option<Member> {
        let is_seen = self.view.layer_of(&path) == Some(number);
        let member = match self.view.moved_to(number, &path) {
            Some(link) if !is_seen => return Some(Member { path: link.to_vec(), ..member }),
            _ if !is_seen => return None,
            _ if member.kind == EntryType::Link => self.linked(number, &path, member)?,
            _ => member,
        };
        // The tree itself.
        let path = if path.is_empty() { b"./".to_vec() } else { path };
        Some(Member { path, ..member })
    }

    /// A hard link, to where its file is seen.
    fn linked(&self, number: usize, path: &[u8], member: Member) -> Option<Member> {
        let target = plain(&member.link)?;
        match self.view.moved_to(number, &target) {
            // The file itself was written in its place.
            Some(first) if first == path => None,
            Some(first) => Some(Member { link: first.to_vec(), ..member }),
            None => Some(Member { link: target, ..member }),
        }
    }
}
