//! How fast one client may start sessions: a bucket that fills at the allowed rate.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::limits;

/// Buckets by client.
#[derive(Debug, Default)]
pub(super) struct StartRate {
    /// When each client's bucket will be full again.
    full_at: Mutex<HashMap<String, Instant>>,
}

/// How much time a full bucket holds: one minute's starts.
const DEPTH: Duration = Duration::from_secs(60);

impl StartRate {
    /// Takes one start from the client's bucket, which fills at so many starts a minute; else says how long to wait.
    pub(super) fn take(&self, client: &str, per_minute: u32, now: Instant) -> Result<(), Duration> {
        let cost = DEPTH / per_minute.max(1);
        let mut all = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= limits::START_ADDRESSES {
            all.retain(|_, full_at| *full_at > now);
        }
        let full_at = all.get(client).copied().unwrap_or(now).max(now) + cost;
        let excess = full_at.duration_since(now).saturating_sub(DEPTH);
        if excess > Duration::ZERO || (all.len() >= limits::START_ADDRESSES && !all.contains_key(client)) {
            return Err(excess.max(cost));
        }
        all.insert(client.to_owned(), full_at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_a_minute_and_then_the_rate() {
        let rate = StartRate::default();
        let now = Instant::now();
        assert!(rate.take("a", 2, now).is_ok() && rate.take("a", 2, now).is_ok());
        assert_eq!(rate.take("a", 2, now), Err(Duration::from_secs(30)));
        assert!(rate.take("b", 2, now).is_ok());
        assert!(rate.take("a", 2, now + Duration::from_secs(30)).is_ok());
    }
}
