//! What an entry of a tar says about its file beside the content.

use std::io::{self, Read};

use nix::sys::stat::Mode;
use nix::sys::time::TimeSpec;
use tar::Entry;

use super::attributes;

/// Attributes are in PAX records of this prefix.
const ATTRIBUTE: &[u8] = b"SCHILY.xattr.";
/// Records of GNU tar's newer forms of a sparse file.
const SPARSE: &[u8] = b"GNU.sparse.";
/// Ids that a user namespace of ours has.
const IDS: u64 = 65_536;

/// Owner, permissions, time and attributes.
#[derive(Debug)]
pub(super) struct Status {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mode: Mode,
    pub(super) time: TimeSpec,
    pub(super) attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Status {
    pub(super) fn of<R: Read>(entry: &mut Entry<'_, R>) -> io::Result<Self> {
        let header = entry.header();
        let id = |number: u64| {
            let id = u32::try_from(number).ok().filter(|_| number < IDS);
            id.ok_or_else(|| io::Error::other(format!("its owner {number} is not below {IDS}")))
        };
        let seconds = i64::try_from(header.mtime().unwrap_or(0)).unwrap_or(0);
        let mut status = Self {
            uid: id(header.uid()?)?,
            gid: id(header.gid()?)?,
            mode: Mode::from_bits_truncate(header.mode()? & 0o7777),
            time: TimeSpec::new(seconds, 0),
            attributes: Vec::new(),
        };
        status.read_records(entry)?;
        Ok(status)
    }

    fn read_records<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> io::Result<()> {
        let Some(records) = entry.pax_extensions()? else { return Ok(()) };
        for record in records {
            let record = record?;
            let (key, value) = (record.key_bytes(), record.value_bytes());
            if key == b"mtime" {
                self.time =
                    time(value).ok_or_else(|| io::Error::other("its time is not a decimal number"))?;
            } else if key.starts_with(SPARSE) {
                return Err(io::Error::other(
                    "it is sparse in a form of PAX that is not supported: make the archive with `tar --format=gnu` or without `--sparse`",
                ));
            } else if let Some(name) = key.strip_prefix(ATTRIBUTE).filter(|name| attributes::is_wanted(name))
            {
                self.attributes.push((name.to_vec(), value.to_vec()));
            }
        }
        Ok(())
    }
}

/// Seconds since 1970 with a fraction, of which the nanoseconds count.
fn time(text: &[u8]) -> Option<TimeSpec> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (seconds, nanoseconds): (i64, i64) = (whole.parse().ok()?, digits.parse().ok()?);
    match text.starts_with('-') && nanoseconds > 0 {
        true => Some(TimeSpec::new(seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds)),
        false => Some(TimeSpec::new(seconds, nanoseconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_nanoseconds() {
        assert_eq!(time(b"5.25"), Some(TimeSpec::new(5, 250_000_000)));
        assert_eq!(time(b"5"), Some(TimeSpec::new(5, 0)));
        assert_eq!(time(b"-1.5"), Some(TimeSpec::new(-2, 500_000_000)));
        assert_eq!(time(b"-0.5"), Some(TimeSpec::new(-1, 500_000_000)));
        assert_eq!(time(b"1.0000000019"), Some(TimeSpec::new(1, 1)));
        for bad in ["", "x", "1.x", "1.-5", "99999999999999999999"] {
            assert_eq!(time(bad.as_bytes()), None, "{bad}");
        }
    }
}
