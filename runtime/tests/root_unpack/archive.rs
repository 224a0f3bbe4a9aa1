//! Archives, good and hostile, byte by byte.

use tar::{EntryType, Header};

/// Makes archives that the library's own builder would refuse to make.
#[derive(Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
}

impl Archive {
    pub(crate) fn entry(mut self, kind: EntryType, name: &str, link: &str, content: &[u8]) -> Self {
        self.raw(kind, name, link, content, |_| {});
        self
    }

    pub(crate) fn file(self, name: &str, content: &str) -> Self {
        self.entry(EntryType::Regular, name, "", content.as_bytes())
    }

    pub(crate) fn folder(self, name: &str) -> Self {
        self.entry(EntryType::Directory, name, "", b"")
    }

    pub(crate) fn link(self, name: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, name, target, b"")
    }

    pub(crate) fn hard_link(self, name: &str, target: &str) -> Self {
        self.entry(EntryType::Link, name, target, b"")
    }

    pub(crate) fn attribute(self, name: &str, value: &[u8]) -> Self {
        let mut record = format!("SCHILY.xattr.{name}=").into_bytes();
        record.extend_from_slice(value);
        record.push(b'\n');
        let with_length = |digits: usize| record.len() + 1 + digits;
        let digits = (1..5).find(|digits| with_length(*digits).to_string().len() == *digits).unwrap();
        let mut line = format!("{} ", with_length(digits)).into_bytes();
        line.extend_from_slice(&record);
        self.entry(EntryType::XHeader, "pax", "", &line)
    }

    pub(crate) fn raw(
        &mut self,
        kind: EntryType,
        name: &str,
        link: &str,
        content: &[u8],
        change: impl FnOnce(&mut Header),
    ) {
        let mut header = Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(if kind == EntryType::Directory { 0o755 } else { 0o644 });
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_000_000_000);
        header.set_size(content.len() as u64);
        change(&mut header);
        header.set_cksum();
        self.bytes.extend_from_slice(header.as_bytes());
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
    }

    pub(crate) fn end(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 1024, 0);
        self.bytes
    }
}
