//! How fast one client may start sessions: a bucket that fills at the allowed rate.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config::limits;

/// Buckets by client.
#[derive(Debug)]
pub(super) struct StartRate {
    /// Time that one start costs.
    cost: Duration,
    /// How much time a full bucket holds: one minute's starts.
    depth: Duration,
    /// When each client's bucket will be full again.
    full_at: Mutex<HashMap<String, Instant>>,
}

impl StartRate {
    pub(super) fn per_minute(starts: u32) -> Self {
        let depth = Duration::from_secs(60);
        Self { cost: depth / starts.max(1), depth, full_at: Mutex::default() }
    }

    /// Takes one start from the client's bucket; else says how long to wait.
    pub(super) fn take(&self, client: &str, now: Instant) -> Result<(), Duration> {
        let mut all = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= limits::START_ADDRESSES {
            all.retain(|_, full_at| *full_at > now);
        }
        let full_at = all.get(client).copied().unwrap_or(now).max(now) + self.cost;
        let excess = full_at.duration_since(now).saturating_sub(self.depth);
        if excess > Duration::ZERO || (all.len() >= limits::START_ADDRESSES && !all.contains_key(client)) {
            return Err(excess.max(self.cost));
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
        let rate = StartRate::per_minute(2);
        let now = Instant::now();
        assert!(rate.take("a", now).is_ok() && rate.take("a", now).is_ok());
        assert_eq!(rate.take("a", now), Err(Duration::from_secs(30)));
        assert!(rate.take("b", now).is_ok());
        assert!(rate.take("a", now + Duration::from_secs(30)).is_ok());
    }
}
