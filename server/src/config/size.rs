//! Amounts as people write them: `512 MiB`, `1.5 GiB`, `90m`, `1h 30m`.

use std::time::Duration;

use crate::config::ConfigError;

/// Bytes: a number and B, KiB, MiB, GiB or TiB (KB, MB, GB, TB in thousands).
pub(crate) fn bytes(key: &str, text: &str) -> Result<u64, ConfigError> {
    let rule = "must be a number and a unit, such as 512 MiB";
    let invalid = || ConfigError::value(key, text, rule);
    let (number, unit) = split(text).ok_or_else(invalid)?;
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kib" => 1024.0,
        "m" | "mib" => 1024.0 * 1024.0,
        "g" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "t" | "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        _ => return Err(invalid()),
    };
    let value = number * factor;
    if !(0.0..=1e16).contains(&value) {
        return Err(invalid());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1e16 after the check")]
    Ok(value.round() as u64)
}

/// A duration: numbers with s, m, h or d, added up; from one second to 400 days.
pub(crate) fn duration(key: &str, text: &str) -> Result<Duration, ConfigError> {
    let invalid = || ConfigError::value(key, text, "must be numbers with s, m, h or d, such as 1h or 90m");
    let mut seconds = 0.0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(invalid());
    }
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(invalid)?;
        let (number, tail) = rest.split_at(unit_at);
        let number: f64 = number.trim().parse().map_err(|_| invalid())?;
        let (factor, tail) = unit_seconds(tail).ok_or_else(invalid)?;
        seconds += number * factor;
        rest = tail.trim_start();
    }
    if (1.0..=400.0 * 86400.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(invalid())
    }
}

fn unit_seconds(text: &str) -> Option<(f64, &str)> {
    [("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86400.0)]
        .into_iter()
        .find_map(|(unit, factor)| text.strip_prefix(unit).map(|rest| (factor, rest)))
}

fn split(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_written() {
        assert_eq!(bytes("memory", "512 MiB").unwrap(), 512 << 20);
        assert_eq!(bytes("memory", "1.5GiB").unwrap(), 3 << 29);
        assert_eq!(bytes("memory", "10 MB").unwrap(), 10_000_000);
        assert_eq!(duration("ttl", "1h 30m").unwrap(), Duration::from_secs(5400));
        assert_eq!(duration("ttl", "45s").unwrap(), Duration::from_secs(45));
        for wrong in ["", "x", "5 parsecs", "-1 MiB", "1e400"] {
            assert!(bytes("memory", wrong).is_err(), "{wrong}");
            assert!(duration("ttl", wrong).is_err(), "{wrong}");
        }
    }
}
