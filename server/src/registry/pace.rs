//! The body of an answer, at a pace: a bound on its silence, and a least rate over the time that is spent waiting for it.
//! The time that the reader itself takes does not count.

use std::future::Future;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::Response;

use super::transport::failed;
use super::{Error, Timing};

/// Clock of one body.
#[derive(Debug)]
struct Pace {
    idle: Duration,
    window: Duration,
    /// Bytes that must come within a window.
    least: u64,
    /// Spent waiting in this window.
    waited: Duration,
    /// Bytes of this window.
    got: u64,
}

const IDLE: &str = "nothing came for too long";
const DRIP: &str = "its rate is below the least one";

impl Pace {
    fn new(timing: &Timing) -> Self {
        let least = (timing.window.as_secs_f64() * timing.least_rate as f64).ceil();
        Self { idle: timing.idle, window: timing.window, least: least as u64, waited: Duration::ZERO, got: 0 }
    }

    async fn wait<F: Future>(&mut self, next: F) -> Result<F::Output, &'static str> {
        let left = self.window.saturating_sub(self.waited);
        let (limit, why) =
            if self.got < self.least && left < self.idle { (left, DRIP) } else { (self.idle, IDLE) };
        let start = Instant::now();
        let output = tokio::time::timeout(limit, next).await.map_err(|_| why)?;
        self.waited += start.elapsed();
        Ok(output)
    }

    fn count(&mut self, bytes: usize) -> Result<(), &'static str> {
        self.got += bytes as u64;
        if self.waited < self.window {
            return Ok(());
        }
        let slow = self.got < self.least;
        (self.waited, self.got) = (Duration::ZERO, 0);
        if slow { Err(DRIP) } else { Ok(()) }
    }
}

/// An answer whose body is being read.
pub(super) struct Body {
    response: Response,
    pace: Pace,
    what: String,
    host: String,
}

impl Body {
    /// Of an answer of `host` to the question for `what`.
    pub(super) fn new(response: Response, timing: &Timing, what: &str, host: &str) -> Self {
        Self { response, pace: Pace::new(timing), what: what.to_owned(), host: host.to_owned() }
    }

    /// The next bytes; `None` at the end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        let (what, host) = (&self.what, &self.host);
        let slow = |why| Error::TooSlow { what: what.clone(), host: host.clone(), why };
        let chunk = self.pace.wait(self.response.chunk()).await.map_err(slow)?;
        let chunk = chunk.map_err(|error| failed(what, host, error))?;
        if let Some(bytes) = &chunk {
            self.pace.count(bytes.len()).map_err(slow)?;
        }
        Ok(chunk)
    }

    /// All of it.
    ///
    /// # Errors
    /// [`Error::TooLarge`] as soon as it is longer than `limit` bytes, or says so; and those of [`Self::chunk`].
    pub(super) async fn read(mut self, limit: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        if self.response.content_length().is_some_and(|length| length > limit as u64) {
            return Err(self.too_large(limit));
        }
        while let Some(chunk) = self.chunk().await? {
            if bytes.len() + chunk.len() > limit {
                return Err(self.too_large(limit));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    fn too_large(&self, limit: usize) -> Error {
        Error::TooLarge { what: self.what.clone(), host: self.host.clone(), limit: limit as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace() -> Pace {
        let timing = Timing {
            idle: Duration::from_secs(10),
            window: Duration::from_millis(50),
            least_rate: 100,
            ..Timing::default()
        };
        Pace::new(&timing)
    }

    #[tokio::test]
    async fn what_comes_fast_enough_may_pause_as_long_as_idle_allows() {
        let mut pace = pace();
        pace.count(5).unwrap();
        pace.wait(tokio::time::sleep(Duration::from_millis(80))).await.unwrap();
        pace.count(0).unwrap();
    }

    #[tokio::test]
    async fn silence_and_dripping_end_it() {
        let mut slow = pace();
        slow.count(1).unwrap();
        assert_eq!(slow.wait(std::future::pending::<()>()).await, Err(DRIP));
        let mut silent = Pace { idle: Duration::from_millis(10), ..pace() };
        assert_eq!(silent.wait(std::future::pending::<()>()).await, Err(IDLE));
        let mut late = pace();
        late.waited = Duration::from_secs(1);
        assert_eq!(late.count(4), Err(DRIP));
    }
}
