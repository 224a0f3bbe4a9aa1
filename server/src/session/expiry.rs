//! Time to live: warnings before the end, the end itself, and extension.

use std::sync::Arc;
use std::time::Duration;

use sandlot_runtime::supervisor::protocol::EndReason;

use super::Sessions;
use super::live::Live;
use super::view::SessionView;
use crate::auth::access::Owner;
use crate::clock::UnixMillis;
use crate::config::limits;
use crate::error::{Error, ErrorKind, Result};

/// Time left at which viewers are warned.
const WARNINGS: [Duration; 2] = [Duration::from_secs(300), Duration::from_secs(60)];
/// The longest sleep, in case the wall clock jumps; also how often old rows and tickets are swept.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// The supervisor ends a session by itself so long after serve should have: it only steps in for a serve that is away.
pub(crate) const SUPERVISOR_GRACE: Duration = Duration::from_secs(5);

impl Sessions {
    /// Gives the owner's session another time to live from now on, up to the playground's longest.
    ///
    /// # Errors
    /// When it has ended, or has its longest time already.
    pub async fn extend(&self, owner: &Owner) -> Result<SessionView> {
        let live = self.running(owner)?;
        let expires_at = self.extended(&live)?;
        if !self.parts().db.move_expiry(live.id().as_str(), expires_at).await? {
            return Err(Error::new(ErrorKind::Ended, "This session has ended."));
        }
        self.parts().backend.set_deadline(live.number(), expires_at.plus(SUPERVISOR_GRACE)).await?;
        live.change_notice(|notice| {
            notice.expires_at = expires_at;
            notice.warnings = 0;
        });
        self.shared.expiry_changed.notify_one();
        tracing::info!(session = %live.id(), expires_at = expires_at.to_rfc3339(), "session {} extended", live.id());
        Ok(SessionView::of(&live))
    }

    fn extended(&self, live: &Live) -> Result<UnixMillis> {
        let name = live.playground().parse().ok();
        let playground = name.and_then(|name| self.parts().config.playgrounds.get(&name));
        let playground = playground.ok_or_else(|| {
            Error::new(ErrorKind::Conflict, "This session's playground is no longer offered.")
        })?;
        let longest = live.created_at().plus(playground.max_ttl);
        let expires_at = UnixMillis::now().plus(playground.ttl).min(longest);
        if expires_at <= live.notice().expires_at {
            return Err(Error::new(
                ErrorKind::Conflict,
                "This session already has the longest time that it may have.",
            ));
        }
        Ok(expires_at)
    }

    /// Warns and ends sessions as their time comes, until serve ends.
    pub async fn watch_expiry(self) {
        loop {
            let now = UnixMillis::now();
            let mut sleep = LONGEST_SLEEP;
            for live in self.all_live() {
                sleep = sleep.min(self.attend(&live, now));
            }
            self.sweep(now).await;
            // Both ends of the wait lead to the same next round.
            drop(tokio::time::timeout(sleep, self.shared.expiry_changed.notified()).await);
        }
    }

    /// Does what is due for one session; returns when the next thing is.
    fn attend(&self, live: &Arc<Live>, now: UnixMillis) -> Duration {
        let notice = live.notice();
        if notice.ending.is_some() {
            return LONGEST_SLEEP;
        }
        let left = notice.expires_at.since(now);
        if left.is_zero() {
            self.begin_end(live, EndReason::Expired);
            return LONGEST_SLEEP;
        }
        let due = WARNINGS.iter().filter(|before| left <= **before).count();
        let given = usize::try_from(notice.warnings).unwrap_or(usize::MAX);
        if due > given {
            live.change_notice(|notice| notice.warnings = u32::try_from(due).unwrap_or(u32::MAX));
        }
        let next = WARNINGS.iter().map(|before| left.saturating_sub(*before)).filter(|wait| !wait.is_zero());
        next.chain([left]).min().unwrap_or(left) + Duration::from_millis(1)
    }

    async fn sweep(&self, now: UnixMillis) {
        self.tickets().sweep();
        self.shared.port_access.sweep();
        let kept = u64::try_from(limits::ENDED_ROWS_KEPT.as_millis()).unwrap_or(u64::MAX);
        let before = UnixMillis(now.0.saturating_sub(kept));
        if let Err(error) = self.parts().db.drop_ended_sessions(before).await {
            tracing::warn!(%error, "drop the rows of old sessions");
        }
    }
}
