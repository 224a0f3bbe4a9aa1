//! PAX records (POSIX.1-2008, pax Extended Header): `<length> <key>=<value>\n`, whose length is that of the whole record.

use std::io;

use super::malformed;

/// Keyword and value.
pub type Record = (Vec<u8>, Vec<u8>);

/// The records of one extended header, in their order.
pub(super) fn parse(mut bytes: &[u8]) -> io::Result<Vec<Record>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let (record, rest) = first(bytes).ok_or_else(|| malformed("a PAX record is malformed"))?;
        records.push(record);
        bytes = rest;
    }
    Ok(records)
}

fn first(bytes: &[u8]) -> Option<(Record, &[u8])> {
    let blank = bytes.iter().take(20).position(|byte| *byte == b' ')?;
    let length: usize = decimal(bytes.get(..blank)?)?.try_into().ok()?;
    let (record, rest) = bytes.split_at_checked(length)?;
    let text = record.get(blank + 1..)?.strip_suffix(b"\n")?;
    let equals = text.iter().position(|byte| *byte == b'=').filter(|at| *at > 0)?;
    Some(((text.get(..equals)?.to_vec(), text.get(equals + 1..)?.to_vec()), rest))
}

/// The value of a keyword; the last one counts, and an empty one takes the others back.
pub(super) fn value<'a>(records: &'a [Record], key: &str) -> Option<&'a [u8]> {
    let found = records.iter().rev().find(|(known, _)| known == key.as_bytes());
    found.map(|(_, value)| value.as_slice()).filter(|value| !value.is_empty())
}

/// As [`value`], a number.
pub(super) fn number(records: &[Record], key: &str) -> io::Result<Option<u64>> {
    let Some(text) = value(records, key) else { return Ok(None) };
    decimal(text).map(Some).ok_or_else(|| malformed(format!("the PAX record {key} is not a number")))
}

/// Decimal digits alone.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    let text =
        std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    text.parse().ok()
}

/// Seconds since 1970 with a fraction, of which the nanoseconds count.
pub(super) fn time(text: &[u8]) -> Option<(i64, u32)> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let (seconds, nanoseconds): (i64, u32) = (whole.parse().ok()?, digits.parse().ok()?);
    match text.starts_with('-') && nanoseconds > 0 {
        true => Some((seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds)),
        false => Some((seconds, nanoseconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_hold_anything() {
        let records = parse(b"13 a=b\n=c\nx\n\n5 k=\n").unwrap();
        assert_eq!(records, [(b"a".to_vec(), b"b\n=c\nx\n".to_vec()), (b"k".to_vec(), Vec::new())][..]);
        assert_eq!(value(&records, "k"), None);
        assert_eq!(value(&records, "b"), None);
    }

    #[test]
    fn malformed_records_are_refused() {
        for bad in [
            "x",
            "5 a=b",
            "6 a=b\n!",
            "60 a=b\n",
            "5 ab\n",
            "5 =ab\n",
            "-6 a=b\n",
            "0 ",
            "99999999999999999999 a=b\n",
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_have_nanoseconds() {
        assert_eq!(time(b"5.25"), Some((5, 250_000_000)));
        assert_eq!(time(b"5"), Some((5, 0)));
        assert_eq!(time(b"-1.5"), Some((-2, 500_000_000)));
        assert_eq!(time(b"-0.5"), Some((-1, 500_000_000)));
        assert_eq!(time(b"1.0000000019"), Some((1, 1)));
        for bad in ["", "x", "1.x", "1.-5", "99999999999999999999"] {
            assert_eq!(time(bad.as_bytes()), None, "{bad}");
        }
    }
}
