//! The end of serve itself: one token that everything long-lived listens to, and the tracker of spawned tasks.
//!
//! Cancelling it ends serve, never a session.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Handle on the life of this process; clones speak of the same.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    token: CancellationToken,
    tracker: TaskTracker,
    last: CancellationToken,
}

impl Shutdown {
    /// Runs `task` on its own until it ends or serve does; it is dropped at its next await then.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let token = self.token.clone();
        self.tracker.spawn(async move {
            token.run_until_cancelled_owned(task).await;
        });
    }

    /// Runs `task` to its own end, which serve waits for before it exits.
    pub fn spawn_to_end<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.tracker.spawn(task)
    }

    /// Runs what the others stand on, such as a connection: until all of them have ended.
    pub fn spawn_below(&self, task: impl Future<Output = ()> + Send + 'static) {
        let last = self.last.clone();
        tokio::spawn(async move {
            last.run_until_cancelled_owned(task).await;
        });
    }

    /// The same future, which serve waits for before it exits, wherever it is run.
    pub fn track<F: Future>(&self, task: F) -> tokio_util::task::task_tracker::TrackedFuture<F> {
        self.tracker.track_future(task)
    }

    /// Says that serve is to end.
    pub fn begin(&self) {
        self.token.cancel();
    }

    /// Whether serve is to end.
    pub fn has_begun(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Resolves once serve is to end.
    pub async fn begun(&self) {
        self.token.cancelled().await;
    }

    /// Resolves once every task has ended, or `longest` is over; says whether all have.
    pub async fn finish(&self, longest: Duration) -> bool {
        self.tracker.close();
        let all = tokio::time::timeout(longest, self.tracker.wait()).await.is_ok();
        self.last.cancel();
        all
    }
}
