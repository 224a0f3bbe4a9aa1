//! Which layer each path of an image comes from.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tar::EntryType;

use super::plain;
use crate::archive::reader::Reader;
use crate::archive::whiteout::{Asks, asks};

/// Entries of one image, at most.
const MAX_ENTRIES: usize = 4_000_000;

/// What is seen, as far as layers were added.
#[derive(Debug, Default)]
pub(super) struct View {
    /// Layer, and whether it is a folder.
    seen: HashMap<Vec<u8>, (usize, bool)>,
    /// Paths of which lower layers show nothing.
    gone: HashSet<Vec<u8>>,
    /// Folders of which lower layers show nothing inside.
    opaque: HashSet<Vec<u8>>,
    /// Files that are hidden by a higher layer and have links that are seen: the first such link.
    moved: HashMap<(usize, Vec<u8>), Vec<u8>>,
    entries: usize,
}

impl View {
    /// Adds a layer below those that were added.
    pub(super) fn add<R: Read>(&mut self, layer: usize, archive: &mut Reader<R>) -> io::Result<()> {
        let (mut gone, mut opaque, mut links) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(member) = archive.next_member()? {
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                return Err(io::Error::other(format!("more than {MAX_ENTRIES} entries")));
            }
            let Some(path) = plain(&member.path) else { continue };
            let parent = parent(&path).to_vec();
            match asks(Path::new(OsStr::from_bytes(&path))) {
                Asks::Gone(name) => gone.push(joined(&parent, name.as_bytes())),
                Asks::Opaque => opaque.push(parent),
                Asks::Note => {}
                Asks::Nothing if self.hides(layer, &path) => {}
                Asks::Nothing => {
                    if member.kind == EntryType::Link {
                        links.extend(member.target().and_then(plain).map(|to| (to, path.clone())));
                    }
                    self.seen.insert(path, (layer, member.kind == EntryType::Directory));
                }
            }
        }
        self.gone.extend(gone);
        self.opaque.extend(opaque);
        for (to, link) in links {
            if self.layer_of(&to) != Some(layer) && self.layer_of(&link) == Some(layer) {
                self.moved.entry((layer, to)).or_insert(link);
            }
        }
        Ok(())
    }

    /// The layer that a path comes from.
    pub(super) fn layer_of(&self, path: &[u8]) -> Option<usize> {
        self.seen.get(path).map(|(layer, _)| *layer)
    }

    /// Where a hidden file of a layer is seen all the same.
    pub(super) fn moved_to(&self, layer: usize, path: &[u8]) -> Option<&[u8]> {
        self.moved.get(&(layer, path.to_vec())).map(Vec::as_slice)
    }

    /// Whether higher layers leave nothing of a path to see.
    fn hides(&self, layer: usize, path: &[u8]) -> bool {
        let taken = self.seen.get(path).is_some_and(|(by, _)| *by != layer);
        if taken || self.gone.contains(path) {
            return true;
        }
        let mut at = path;
        while !at.is_empty() {
            at = parent(at);
            let is_file = self.seen.get(at).is_some_and(|(by, is_folder)| *by != layer && !is_folder);
            if is_file || self.opaque.contains(at) || (!at.is_empty() && self.gone.contains(at)) {
                return true;
            }
        }
        false
    }
}

fn parent(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    path.get(..end).unwrap_or_default()
}

fn joined(parent: &[u8], name: &[u8]) -> Vec<u8> {
    if parent.is_empty() { name.to_vec() } else { [parent, b"/", name].concat() }
}
