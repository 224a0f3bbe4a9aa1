//! Sizes as people write them.

/// Reads `20m`, `1.5GiB`, `512`: binary units, in any case.
pub(super) fn parse(text: &str) -> Option<i64> {
    let lower = text.trim().to_ascii_lowercase();
    let end = lower.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(lower.len());
    let (number, unit) = lower.split_at_checked(end)?;
    let power = match unit.trim() {
        "" | "b" => 0,
        unit => match unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(unit) {
            "k" => 1,
            "m" => 2,
            "g" => 3,
            "t" => 4,
            "p" => 5,
            _ => return None,
        },
    };
    let bytes = number.parse::<f64>().ok()? * 1024f64.powi(power);
    #[expect(clippy::cast_possible_truncation, reason = "checked to be within the bounds")]
    (0.0..9.2e18).contains(&bytes).then_some(bytes as i64)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn units_are_binary() {
        let sizes =
            [("512", 512), ("20m", 20 << 20), ("1.5GiB", 3 << 29), ("32KB", 32 << 10), ("1 g", 1 << 30)];
        for (text, bytes) in sizes {
            assert_eq!(parse(text), Some(bytes), "{text}");
        }
        for text in ["", "m", "1x", "-1", "1e3", "99999p"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
