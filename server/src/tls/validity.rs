//! When a certificate ends: the one field of X.509 (RFC 5280, 4.1.2.5) that is read here, and nothing is decided by it.

use time::{Date, Month, OffsetDateTime, Time};

const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The tag of the version, which certificates of version 1 leave out.
const VERSION: u8 = 0xa0;

/// `notAfter` of a certificate in DER; `None` where it is not of the usual form.
pub(super) fn end(certificate: &[u8]) -> Option<OffsetDateTime> {
    let (_, certificate, _) = element(certificate)?;
    let (_, mut rest, _) = element(certificate)?;
    if let (VERSION, _, after) = element(rest)? {
        rest = after;
    }
    // Serial number, signature algorithm, issuer.
    for _ in 0..3 {
        (_, _, rest) = element(rest)?;
    }
    let (_, validity, _) = element(rest)?;
    let (_, _, rest) = element(validity)?;
    let (tag, text, _) = element(rest)?;
    moment(tag, text)
}

/// The first element of some DER: its tag, its content, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
fn moment(tag: u8, text: &[u8]) -> Option<OffsetDateTime> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i32 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at + 2)?.parse::<u8>().ok();
    let date = Date::from_calendar_date(year, Month::try_from(part(0)?).ok()?, part(2)?).ok()?;
    let time = Time::from_hms(part(4)?, part(6)?, part(8)?).ok()?;
    Some(date.with_time(time).assume_utc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    #[test]
    fn both_forms_of_a_time_are_read() {
        let year = |tag, text: &[u8]| moment(tag, text).map(OffsetDateTime::year);
        assert_eq!(year(UTC_TIME, b"491231235959Z"), Some(2049));
        assert_eq!(year(UTC_TIME, b"500101000000Z"), Some(1950));
        assert_eq!(year(GENERALIZED_TIME, b"99991231235959Z"), Some(9999));
        assert_eq!(year(GENERALIZED_TIME, b"20261301000000Z"), None);
        assert_eq!(year(UTC_TIME, "4\u{e9}1231235959Z".as_bytes()), None);
    }

    #[test]
    fn a_real_certificate_ends_when_openssl_says_so() {
        let pem = include_bytes!("../../tests/certificates/ends-2036.pem");
        let certificate = CertificateDer::from_pem_slice(pem).unwrap();
        let whole = end(&certificate).unwrap();
        assert_eq!(whole.date().to_string(), "2036-11-25");
        for length in 0..certificate.len() {
            assert_eq!(end(&certificate[..length]), None);
        }
    }
}
