//! Numbers in header fields: octal text, or in GNU's form binary.

use std::io;

use super::malformed;

/// A field's number: octal digits between blanks and zeros, none at all for 0; or with the highest bit set, the two's
/// complement in the bits behind it (GNU tar, "Basic Tar Format").
pub(super) fn signed(field: &[u8]) -> io::Result<i64> {
    match field.split_first() {
        Some((first, rest)) if first & 0x80 != 0 => binary(*first, rest),
        _ => octal(field),
    }
}

/// As [`signed`], for what cannot be below 0.
pub(super) fn unsigned(field: &[u8]) -> io::Result<u64> {
    u64::try_from(signed(field)?).map_err(|_| malformed("a number in a header is negative"))
}

fn binary(first: u8, rest: &[u8]) -> io::Result<i64> {
    // The second highest bit is the sign.
    let start: i64 = if first & 0x40 == 0 { (first & 0x3f).into() } else { i64::from(first | 0x80) - 256 };
    rest.iter()
        .try_fold(start, |number, byte| number.checked_mul(256)?.checked_add((*byte).into()))
        .ok_or_else(too_large)
}

fn octal(field: &[u8]) -> io::Result<i64> {
    let is_blank = |byte: &&u8| matches!(byte, b' ' | 0);
    let mut digits = field.iter().skip_while(is_blank).take_while(|byte| !is_blank(byte));
    digits.try_fold(0i64, |number, digit| match digit {
        b'0'..=b'7' => {
            number.checked_mul(8).and_then(|n| n.checked_add((digit - b'0').into())).ok_or_else(too_large)
        }
        _ => Err(malformed("a number in a header is not octal")),
    })
}

fn too_large() -> io::Error {
    malformed("a number in a header is too large")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_all_forms() {
        for (field, number) in [
            (&b"0000644\0"[..], 0o644),
            (b"   644 \0", 0o644),
            (b"\0\0\0\0\0\0\0\0", 0),
            (b"        ", 0),
            (b"", 0),
            (b"12345670", 0o12_345_670),
            (b"17\x00junk", 0o17),
            (b"\x80\0\0\0\0\0\x01\0", 256),
            (b"\xff\xff\xff\xff\xff\xff\xff\xfe", -2),
            (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", i64::MAX),
        ] {
            assert_eq!(signed(field).unwrap(), number, "{field:?}");
        }
    }

    #[test]
    fn others_are_refused() {
        for bad in [&b"9"[..], b"x", b"-1", b"7x", b"\x80\0\0\x01\0\0\0\0\0\0\0\0"] {
            assert!(signed(bad).is_err(), "{bad:?}");
        }
        assert!(unsigned(b"\xff\xff\xff\xff").is_err());
    }
}
