//! Headers of a tar in the PAX form (POSIX.1-2008, pax): the same entry gives the same bytes.

use std::io::{self, Write};

use tar::{EntryType, Header};

/// Longest name in the header itself; a longer one goes into a record.
const MAX_NAME_BYTES: usize = 100;
/// Highest number of eleven octal digits.
const MAX_OCTAL: u64 = 0o777_7777_7777;
/// Highest owner of seven octal digits.
const MAX_ID: u32 = 0o777_7777;
/// Name of a header that only holds records.
const RECORDS_NAME: &[u8] = b"PaxHeaders.0/entry";
/// Prefix of an attribute's record.
const ATTRIBUTE: &[u8] = b"SCHILY.xattr.";
const BLOCK_BYTES: usize = 512;

/// Seconds since 1970 and nanoseconds.
pub(super) type Time = (i64, u32);

/// One entry, but for its content.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Its name, with a `/` behind a folder's.
    pub(super) path: Vec<u8>,
    /// What it is.
    pub(super) kind: EntryType,
    /// Where a link leads.
    pub(super) link: Option<Vec<u8>>,
    /// Permissions and set-id bits.
    pub(super) mode: u32,
    /// Owner.
    pub(super) uid: u32,
    /// Group.
    pub(super) gid: u32,
    /// Length of its content.
    pub(super) size: u64,
    /// Last change of its content.
    pub(super) mtime: Time,
    /// Major and minor number of a device.
    pub(super) device: Option<(u32, u32)>,
    /// Extended attributes, ordered by name.
    pub(super) attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Item {
    /// An empty file of nobody in particular, such as a whiteout.
    pub(super) fn marker(path: Vec<u8>) -> Self {
        Self {
            path,
            kind: EntryType::Regular,
            link: None,
            mode: 0,
            uid: 0,
            gid: 0,
            size: 0,
            mtime: (0, 0),
            device: None,
            attributes: Vec::new(),
        }
    }

    /// Writes the header, after one with records where it does not hold everything.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let records = self.records();
        if !records.is_empty() {
            let mut header = plain(EntryType::XHeader, records.len() as u64);
            set_bytes(&mut header.as_old_mut().name, RECORDS_NAME);
            header.set_mode(0o644);
            finish(out, header)?;
            out.write_all(&records)?;
            pad(out, records.len() as u64)?;
        }
        finish(out, self.header()?)
    }

    fn header(&self) -> io::Result<Header> {
        let mut header = plain(self.kind, if self.size > MAX_OCTAL { 0 } else { self.size });
        set_bytes(&mut header.as_old_mut().name, &self.path);
        set_bytes(&mut header.as_old_mut().linkname, self.link.as_deref().unwrap_or_default());
        header.set_mode(self.mode);
        header.set_uid(if self.uid > MAX_ID { 0 } else { self.uid.into() });
        header.set_gid(if self.gid > MAX_ID { 0 } else { self.gid.into() });
        header.set_mtime(u64::try_from(self.mtime.0).ok().filter(|time| *time <= MAX_OCTAL).unwrap_or(0));
        if let Some((major, minor)) = self.device {
            header.set_device_major(major)?;
            header.set_device_minor(minor)?;
        }
        Ok(header)
    }

    /// What the header cannot hold, in a fixed order.
    fn records(&self) -> Vec<u8> {
        let mut records = Vec::new();
        let (seconds, nanoseconds) = self.mtime;
        if nanoseconds != 0 || !(0..=MAX_OCTAL.cast_signed()).contains(&seconds) {
            record(&mut records, b"mtime", decimal(self.mtime).as_bytes());
        }
        if needs_record(&self.path) {
            record(&mut records, b"path", &self.path);
        }
        if let Some(link) = self.link.as_deref().filter(|link| needs_record(link)) {
            record(&mut records, b"linkpath", link);
        }
        if self.size > MAX_OCTAL {
            record(&mut records, b"size", self.size.to_string().as_bytes());
        }
        for (key, id) in [(b"uid", self.uid), (b"gid", self.gid)] {
            if id > MAX_ID {
                record(&mut records, key, id.to_string().as_bytes());
            }
        }
        for (name, value) in &self.attributes {
            record(&mut records, &[ATTRIBUTE, name].concat(), value);
        }
        records
    }
}

/// Fills the last block of a content.
pub(super) fn pad(out: &mut impl Write, length: u64) -> io::Result<()> {
    let rest = usize::try_from(length % BLOCK_BYTES as u64).unwrap_or(0);
    let missing = (BLOCK_BYTES - rest) % BLOCK_BYTES;
    out.write_all([0; BLOCK_BYTES].get(..missing).unwrap_or_default())
}

/// The end of an archive: two empty blocks.
pub(super) fn end(out: &mut impl Write) -> io::Result<()> {
    out.write_all(&[0; 2 * BLOCK_BYTES])
}

fn plain(kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn finish(out: &mut impl Write, mut header: Header) -> io::Result<()> {
    header.set_cksum();
    out.write_all(header.as_bytes())
}

/// Of a longer value the beginning; the record beside it has all.
fn set_bytes(field: &mut [u8], value: &[u8]) {
    field.fill(0);
    for (to, from) in field.iter_mut().zip(value) {
        *to = if from.is_ascii() { *from } else { b'_' };
    }
}

fn needs_record(value: &[u8]) -> bool {
    value.len() > MAX_NAME_BYTES || !value.is_ascii()
}

/// `<length> <key>=<value>\n`, whose length counts its own digits.
fn record(into: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length.to_string().len() + rest != length {
        length = rest + length.to_string().len();
    }
    into.extend_from_slice(length.to_string().as_bytes());
    into.push(b' ');
    into.extend_from_slice(key);
    into.push(b'=');
    into.extend_from_slice(value);
    into.push(b'\n');
}

/// Seconds with a fraction that does not end in a zero.
fn decimal((seconds, nanoseconds): Time) -> String {
    if nanoseconds == 0 {
        return seconds.to_string();
    }
    // A time before 1970 counts backwards as a whole.
    let (sign, whole, fraction) = match seconds {
        0.. => ("", seconds.unsigned_abs(), nanoseconds),
        _ => ("-", (seconds + 1).unsigned_abs(), 1_000_000_000 - nanoseconds),
    };
    let digits = format!("{fraction:09}");
    format!("{sign}{whole}.{}", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::reader::Reader;
    use std::io::Read;

    fn item(path: &[u8]) -> Item {
        Item { mode: 0o644, size: 3, ..Item::marker(path.to_vec()) }
    }

    fn written(item: &Item) -> Vec<u8> {
        let mut bytes = Vec::new();
        item.write(&mut bytes).unwrap();
        bytes.extend_from_slice(b"abc");
        pad(&mut bytes, 3).unwrap();
        end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn an_entry_reads_back() {
        let long = [b"d/".repeat(80).as_slice(), b"n\xffme"].concat();
        let mut written_item = item(&long);
        written_item.mtime = (1_700_000_000, 120_000_000);
        written_item.attributes = vec![(b"user.a".to_vec(), b"x=\0\n9 path=y\n".to_vec())];
        let bytes = written(&written_item);
        let mut archive = Reader::new(bytes.as_slice());
        let member = archive.next_member().unwrap().unwrap();
        assert_eq!(member.path, long);
        assert_eq!(member.time, written_item.mtime);
        let attributes: Vec<(&[u8], &[u8])> = member.attributes().collect();
        assert_eq!(attributes, [(&b"user.a"[..], &b"x=\0\n9 path=y\n"[..])]);
        let mut content = String::new();
        archive.content().read_to_string(&mut content).unwrap();
        assert_eq!(content, "abc");
        assert!(archive.next_member().unwrap().is_none());
    }

    #[test]
    fn a_plain_entry_needs_no_records() {
        assert_eq!(written(&item(b"etc/passwd")).len(), 512 * 4);
    }

    #[test]
    fn times_are_decimals() {
        assert_eq!(decimal((5, 500_000_000)), "5.5");
        assert_eq!(decimal((-2, 500_000_000)), "-1.5");
        assert_eq!(decimal((-2, 0)), "-2");
    }

    #[test]
    fn a_record_counts_its_own_digits() {
        for length in [1, 85, 90, 91, 92, 93, 988, 989, 990, 991] {
            let mut bytes = Vec::new();
            record(&mut bytes, b"k", &vec![b'v'; length]);
            let text = String::from_utf8(bytes.clone()).unwrap();
            assert_eq!(text.split(' ').next().unwrap().parse::<usize>().unwrap(), bytes.len());
        }
    }
}
