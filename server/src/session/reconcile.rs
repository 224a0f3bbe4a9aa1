//! Agreement of rows, memory and backend. The one function behind crash recovery, restart and a lost supervisor.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sandlot_runtime::supervisor::name::SessionNumber;
use sandlot_runtime::supervisor::protocol::{EndReason, SessionState as BackendState};

use super::Sessions;
use super::live::Live;
use crate::clock::UnixMillis;
use crate::db::session::{SessionRow, SessionState};
use crate::error::{ErrorKind, Result};
use crate::id::SessionId;

/// Rounds of comparing, when events came in between; the next connection compares anyway.
const ROUNDS: usize = 5;
/// The end of a lost session is a few writes of rows.
const LOST_TIME: Duration = Duration::from_secs(5);

impl Sessions {
    /// Compares every row with what the backend holds: adopts what runs, ends what has no row, finishes what is gone.
    pub async fn reconcile(&self) {
        let _alone = self.shared.reconciling.lock().await;
        let connection = self.parts().backend.connection();
        for _ in 0..ROUNDS {
            self.shared.missed.store(false, Ordering::Relaxed);
            if let Err(error) = self.compare().await {
                tracing::warn!(error = error.chain(), "compare rows and backend");
                return;
            }
            if !self.shared.missed.load(Ordering::Relaxed) {
                break;
            }
        }
        self.shared.agreed.send_replace(connection);
    }

    /// Whether rows and backend were compared on the connection that stands now.
    pub fn has_reconciled(&self) -> bool {
        let connection = self.parts().backend.connection();
        connection.is_some() && *self.shared.agreed.borrow() == connection
    }

    /// Waits until they were compared once, at most so long.
    pub async fn wait_reconciled(&self, longest: Duration) {
        let mut agreed = self.shared.agreed.subscribe();
        // Too late is no failure: readiness says so.
        drop(tokio::time::timeout(longest, agreed.wait_for(Option::is_some)).await);
    }

    async fn compare(&self) -> Result<()> {
        let rows = self.parts().db.live_sessions().await?;
        let held = self.parts().backend.sessions().await?;
        let mut held: HashMap<SessionNumber, BackendState> =
            held.into_iter().map(|s| (s.session, s)).collect();
        let mut lost = Vec::new();
        for row in rows {
            let Ok(number) = SessionNumber::try_from(row.number) else { continue };
            let Ok(id) = row.id.parse::<SessionId>() else { continue };
            let state = held.remove(&number);
            if self.is_being_started(&id, number) {
                continue;
            }
            match self.settle(id, number, row, state).await {
                Ok(session) => lost.extend(session),
                Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
                Err(error) => tracing::error!(error = error.chain(), "make a session agree with the backend"),
            }
        }
        for number in held.into_keys() {
            if let Err(error) = self.end_stranger(number).await {
                tracing::error!(number = number.get(), error = error.chain(), "end a session without a row");
            }
        }
        for live in lost {
            // Its rows are written before the node says that it is ready again.
            drop(tokio::time::timeout(LOST_TIME, live.finished()).await);
        }
        Ok(())
    }

    /// A start of this serve that is under way: its own code settles it.
    fn is_being_started(&self, id: &SessionId, number: SessionNumber) -> bool {
        let live = self.lock();
        live.numbers.holds(number) && !live.by_id.contains_key(id)
    }

    /// Makes one session agree. Returns it when it was lost.
    async fn settle(
        &self,
        id: SessionId,
        number: SessionNumber,
        row: SessionRow,
        state: Option<BackendState>,
    ) -> Result<Option<Arc<Live>>> {
        let live = self.live_session(&id);
        match (state, live) {
            (None, Some(live)) => {
                self.note_gone(&live, EndReason::SupervisorLost);
                return Ok(Some(live));
            }
            (None, None) => self.finish_lost(&row).await?,
            (Some(state), Some(live)) => match state.ended {
                Some(reason) => self.begin_end(&live, reason),
                None => self.adopt_terminals(&live, &state).await?,
            },
            (Some(state), None) => self.adopt(id, number, &row, &state).await?,
        }
        Ok(None)
    }

    /// The row promises what no longer exists.
    async fn finish_lost(&self, row: &SessionRow) -> Result<()> {
        let reason = row.end_reason.unwrap_or(match row.state {
            SessionState::Starting => EndReason::StartFailed,
            _ if row.created_at < boot_time() => EndReason::NodeRestarted,
            _ => EndReason::SupervisorLost,
        });
        tracing::warn!(session = row.id, ?reason, "session {} was lost", row.id);
        self.parts().db.finish_session(&row.id, reason, UnixMillis::now()).await?;
        Ok(())
    }

    /// The backend holds what no row promises. A number that a start under way holds is left alone.
    async fn end_stranger(&self, number: SessionNumber) -> Result<()> {
        if self.lock().numbers.holds(number) {
            return Ok(());
        }
        tracing::warn!(number = number.get(), "a session without a row is ended");
        self.parts().backend.end(number, EndReason::Operator).await?;
        self.parts().backend.forget(number).await
    }
}

/// When the kernel started.
fn boot_time() -> UnixMillis {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let seconds = stat.lines().find_map(|line| line.strip_prefix("btime "));
    UnixMillis(seconds.and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0) * 1000)
}
