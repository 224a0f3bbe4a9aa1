//! One member of a tar: what its header says, and the records and long names before it.

use std::io;

use tar::EntryType;

use super::malformed;
use super::records::{Record, number as of_record, time, value};
use super::{Block, number};

/// A member, but for its content.
#[derive(Debug)]
pub struct Member {
    /// Its name, as it stands.
    pub path: Vec<u8>,
    /// What it is; sparse and contiguous files are regular ones.
    pub kind: EntryType,
    /// Where a link leads; empty for what is none.
    pub link: Vec<u8>,
    /// Permissions and set-id bits.
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Last change: seconds since 1970, and nanoseconds.
    pub time: (i64, u32),
    /// Major and minor number of a device.
    pub device: Option<(u32, u32)>,
    /// Length of its content in bytes, holes included.
    pub length: u64,
    /// Whether its content has holes.
    pub is_sparse: bool,
    /// Its PAX records in their order.
    pub records: Vec<Record>,
}

/// Prefix of the records that hold extended attributes (as star and libarchive name them).
const ATTRIBUTE: &[u8] = b"SCHILY.xattr.";

impl Member {
    /// Extended attributes: names and values.
    pub fn attributes(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.records.iter().filter_map(|(key, value)| Some((key.strip_prefix(ATTRIBUTE)?, value.as_slice())))
    }

    /// Where a link leads.
    pub fn target(&self) -> Option<&[u8]> {
        Some(self.link.as_slice()).filter(|link| !link.is_empty())
    }

    /// Whether content may stand behind the header.
    pub(super) const fn has_content(&self) -> bool {
        !matches!(
            self.kind,
            EntryType::Link
                | EntryType::Symlink
                | EntryType::Char
                | EntryType::Block
                | EntryType::Directory
                | EntryType::Fifo
        )
    }

    pub(super) fn new(head: Head, extra: Extra) -> io::Result<Self> {
        let Extra { records, name, link } = extra;
        let of_records = |key| value(&records, key).map(<[u8]>::to_vec);
        let path = name
            .or_else(|| of_records("GNU.sparse.name"))
            .or_else(|| of_records("path"))
            .unwrap_or(head.path);
        let time = match value(&records, "mtime") {
            Some(text) => time(text).ok_or_else(|| malformed("its time is not a decimal number"))?,
            None => (head.mtime, 0),
        };
        Ok(Self {
            kind: kind(head.kind_byte, &path),
            link: link.or_else(|| of_records("linkpath")).unwrap_or(head.link),
            mode: head.mode,
            uid: of_record(&records, "uid")?.unwrap_or(head.uid),
            gid: of_record(&records, "gid")?.unwrap_or(head.gid),
            time,
            device: head.device,
            length: of_record(&records, "size")?.unwrap_or(head.size),
            is_sparse: false,
            path,
            records,
        })
    }
}

fn kind(byte: u8, path: &[u8]) -> EntryType {
    match byte {
        // Before there was a type for them, folders were files whose name ends so.
        0 | b'0' if path.ends_with(b"/") => EntryType::Directory,
        0 | b'0' | b'7' | b'S' => EntryType::Regular,
        other => EntryType::new(other),
    }
}

/// What stands before a member's own header.
#[derive(Debug, Default)]
pub(super) struct Extra {
    pub(super) records: Vec<Record>,
    pub(super) name: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
}

/// The fields of a header block.
#[derive(Debug)]
pub(super) struct Head {
    path: Vec<u8>,
    pub(super) kind_byte: u8,
    link: Vec<u8>,
    mode: u32,
    uid: u64,
    gid: u64,
    mtime: i64,
    /// Bytes behind the block, if no record says otherwise.
    pub(super) size: u64,
    device: Option<(u32, u32)>,
}

impl Head {
    /// Reads a block whose sum is right.
    pub(super) fn read(block: &Block) -> io::Result<Self> {
        check_sum(block)?;
        let field = |from: usize, length: usize| block.get(from..from + length).unwrap_or_default();
        let (kind_byte, magic) = (field(156, 1).first().copied().unwrap_or(0), field(257, 6));
        let name = text(field(0, 100));
        // GNU's header has other things where the prefix is.
        let prefix = if magic == b"ustar\0" { text(field(345, 155)) } else { &[] };
        let half =
            |from| number::unsigned(field(from, 8)).map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        let is_device = matches!(kind_byte, b'3' | b'4') && magic.starts_with(b"ustar");
        Ok(Self {
            path: if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() },
            kind_byte,
            link: text(field(157, 100)).to_vec(),
            mode: u32::try_from(number::signed(field(100, 8))? & 0o7777).unwrap_or(0),
            uid: number::unsigned(field(108, 8))?,
            gid: number::unsigned(field(116, 8))?,
            mtime: number::signed(field(136, 12))?,
            size: number::unsigned(field(124, 12))?,
            device: if is_device { Some((half(329)?, half(337)?)) } else { None },
        })
    }
}

/// The sum of all bytes with blanks for the field itself; old programs added signed bytes.
fn check_sum(block: &Block) -> io::Result<()> {
    let bytes =
        || block.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { b' ' } else { *byte });
    let said = number::signed(block.get(148..156).unwrap_or_default()).ok();
    let unsigned: i64 = bytes().map(i64::from).sum();
    let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
    if [Some(unsigned), Some(signed)].contains(&said) {
        Ok(())
    } else {
        Err(malformed("it is no tar: the sum of a header is wrong"))
    }
}

fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}
