//! Times and sizes as `docker` writes them.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How long ago something was, in words; empty for what says no time.
pub(super) fn ago(created: Option<&str>, now: OffsetDateTime) -> String {
    let Some(created) = created.and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok()) else {
        return String::new();
    };
    let seconds = (now - created).whole_seconds().max(0);
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..172_800 => (seconds / 3600, "hour"),
        172_800..1_209_600 => (seconds / 86_400, "day"),
        1_209_600..5_184_000 => (seconds / 604_800, "week"),
        5_184_000..63_072_000 => (seconds / 2_592_000, "month"),
        _ => (seconds / 31_536_000, "year"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural} ago")
}

/// Bytes with three digits and a unit of thousands.
pub(super) fn size(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = match value {
        _ if unit == 0 => 0,
        value if value < 9.995 => 2,
        value if value < 99.95 => 1,
        _ => 0,
    };
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{}", units.get(unit).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_read_as_docker_writes_them() {
        let now = OffsetDateTime::parse("2026-03-01T00:00:00Z", &Rfc3339).unwrap();
        for (created, words) in [
            ("2026-02-28T23:59:59Z", "1 second ago"),
            ("2026-02-28T20:00:00.5Z", "3 hours ago"),
            ("2026-02-20T00:00:00Z", "9 days ago"),
            ("2025-12-20T00:00:00Z", "2 months ago"),
            ("1970-01-01T00:00:00Z", "56 years ago"),
            ("nonsense", ""),
        ] {
            assert_eq!(ago(Some(created), now), words);
        }
        let sizes = [0, 999, 1000, 4_260_000, 77_800_000, 999_600, 126_000_000].map(size);
        assert_eq!(sizes, ["0B", "999B", "1kB", "4.26MB", "77.8MB", "1MB", "126MB"]);
    }
}
