//! The end of a session, in the order of the design: row `closing`, viewers told, backend, final row, numbers free.
//!
//! Every step may be repeated; whatever interrupts it, the next comparison of rows and backend goes on from there.

use std::sync::Arc;
use std::time::Duration;

use sandlot_runtime::supervisor::protocol::EndReason;

use super::Sessions;
use super::live::Live;
use crate::auth::access::Owner;
use crate::clock::UnixMillis;
use crate::db::session::reason_text;
use crate::error::{ErrorKind, Result};

/// Wait before a step is tried again while the supervisor or the database is away.
const TRY_AGAIN: Duration = Duration::from_millis(200);

impl Sessions {
    /// Closes the owner's session and waits until nothing is left of it. One that has ended stays so.
    ///
    /// # Errors
    /// None now; the signature leaves room for a refusal.
    pub async fn close(&self, owner: &Owner) -> Result<()> {
        if let Some(live) = self.live_session(owner.session()) {
            self.end(&live, EndReason::Closed).await;
        }
        Ok(())
    }

    /// Ends a session and waits until nothing is left of it. The work goes on even if the caller no longer waits.
    pub(crate) async fn end(&self, live: &Arc<Live>, reason: EndReason) {
        self.begin_end(live, reason);
        live.finished().await;
    }

    /// Begins the end of a session, unless it has begun.
    pub(crate) fn begin_end(&self, live: &Arc<Live>, reason: EndReason) {
        if live.begin_end(reason) {
            self.shut_ports(live);
            let (sessions, live) = (self.clone(), Arc::clone(live));
            self.parts().shutdown.spawn_to_end(async move { sessions.carry_out_end(&live, reason).await });
        }
    }

    /// The backend says that nothing is left of a session.
    pub(crate) fn note_gone(&self, live: &Arc<Live>, reason: EndReason) {
        live.note_gone();
        self.begin_end(live, reason);
    }

    async fn carry_out_end(&self, live: &Arc<Live>, reason: EndReason) {
        let id = live.id();
        tracing::info!(session = %id, reason = reason_text(reason), "session {id} ends");
        let steps = async {
            self.until_done(id.as_str(), || self.mark_closing(live, reason)).await?;
            tokio::select! {
                ended = self.until_done(id.as_str(), || self.parts().backend.end(live.number(), reason)) => ended?,
                () = live.gone() => {}
            }
            self.until_done(id.as_str(), || self.record_end(live, reason)).await
        };
        if steps.await.is_err() {
            // Serve is ending; the next one goes on from the row.
            return;
        }
        // A tombstone that stays behind is found by the next comparison.
        if let Err(error) = self.parts().backend.forget(live.number()).await {
            tracing::debug!(session = %id, error = error.chain(), "forget session {id}");
        }
        self.remove_live(live);
        self.parts().metrics.session_ends.add(1);
        live.finish();
        tracing::info!(session = %id, "session {id} ended");
    }

    async fn mark_closing(&self, live: &Live, reason: EndReason) -> Result<()> {
        self.parts().db.mark_closing(live.id().as_str(), reason).await?;
        Ok(())
    }

    async fn record_end(&self, live: &Live, reason: EndReason) -> Result<()> {
        self.parts().db.finish_session(live.id().as_str(), reason, UnixMillis::now()).await?;
        Ok(())
    }

    /// Repeats a step until it is done, or serve ends. What the backend does not know is done already.
    async fn until_done<F: Future<Output = Result<()>>>(&self, id: &str, step: impl Fn() -> F) -> Result<()> {
        let mut told = false;
        loop {
            match step().await {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                Err(error) if self.parts().shutdown.has_begun() => return Err(error),
                Err(error) if !told => {
                    told = true;
                    tracing::warn!(session = id, error = error.chain(), "end of session {id}: trying on");
                }
                Err(_) => {}
            }
            tokio::time::sleep(TRY_AGAIN).await;
        }
    }
}
