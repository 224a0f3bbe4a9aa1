//! How long to wait between two tries: doubled each time, with jitter; as long as the registry says, within a bound.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::Timing;

/// The tries of one request.
#[derive(Debug)]
pub(super) struct Backoff {
    left: u32,
    next: Duration,
    longest: Duration,
    longest_retry_after: Duration,
}

impl Backoff {
    /// With this many tries after the first.
    pub(super) fn new(timing: &Timing, retries: u32) -> Self {
        Self {
            left: retries,
            next: timing.backoff,
            longest: timing.longest_backoff,
            longest_retry_after: timing.longest_retry_after,
        }
    }

    /// How long to wait before the next try; `None` when there is none, or it is asked to be too late.
    pub(super) fn next(&mut self, retry_after: Option<Duration>) -> Option<Duration> {
        self.left = self.left.checked_sub(1)?;
        let own = self.next.min(self.longest);
        self.next = own.saturating_mul(2);
        match retry_after {
            Some(wait) if wait > self.longest_retry_after => None,
            Some(wait) => Some(wait),
            None => Some(jittered(own)),
        }
    }
}

/// Between half of it and all of it, so that many who failed together do not come back together.
fn jittered(wait: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX);
    wait / 2 + (wait / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

/// `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3).
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let at: SystemTime = OffsetDateTime::parse(text, &Rfc2822).ok()?.into();
            Some(at.duration_since(SystemTime::now()).unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, text.parse().unwrap());
        retry_after(&headers)
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        assert_eq!(header("7"), Some(Duration::from_secs(7)));
        assert_eq!(header("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert!(header("Tue, 06 Nov 2294 08:49:37 GMT").unwrap() > Duration::from_secs(86_400));
        assert_eq!(header("18446744073709551615"), Some(Duration::from_secs(u64::MAX)));
        for bad in ["-1", "soon", "", "1.5"] {
            assert_eq!(header(bad), None, "{bad}");
        }
    }

    #[test]
    fn waits_grow_and_end() {
        let timing = Timing { longest_backoff: Duration::from_secs(1), ..Timing::default() };
        let mut backoff = Backoff::new(&timing, 4);
        let waits: Vec<Duration> = std::iter::from_fn(|| backoff.next(None)).collect();
        assert_eq!(waits.len(), 4);
        assert!(waits.iter().all(|wait| *wait >= timing.backoff / 2 && *wait <= timing.longest_backoff));
        assert!(waits[3] >= Duration::from_millis(500));
    }

    #[test]
    fn the_registrys_wish_counts_within_a_bound() {
        let mut backoff = Backoff::new(&Timing::default(), 3);
        assert_eq!(backoff.next(Some(Duration::from_secs(60))), Some(Duration::from_secs(60)));
        assert_eq!(backoff.next(Some(Duration::from_secs(61))), None);
    }
}
