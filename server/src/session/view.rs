//! What an owner may see of a session.

use std::sync::Arc;

use sandlot_runtime::supervisor::name::InstanceIndex;
use sandlot_runtime::supervisor::protocol::EndReason;

use super::Sessions;
use super::live::{Live, LiveInstance};
use super::ports::InstancePorts;
use crate::auth::access::Owner;
use crate::clock::UnixMillis;
use crate::db::instance::InstanceRow;
use crate::db::session::{SessionRow, SessionState};
use crate::error::{Error, Result};
use crate::id::InstanceName;

/// A session.
#[derive(Debug, Clone)]
pub struct SessionView {
    /// Its id.
    pub id: String,
    /// What it was made from.
    pub playground: String,
    /// Its state.
    pub state: SessionState,
    /// Why it ends or ended.
    pub end_reason: Option<EndReason>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When it ends or should have.
    pub expires_at: UnixMillis,
    /// Its machines.
    pub instances: Vec<InstanceView>,
}

/// An instance.
#[derive(Debug, Clone)]
pub struct InstanceView {
    /// Its name.
    pub name: InstanceName,
    /// How the others call it.
    pub hostname: String,
    /// Its state, as in the API.
    pub state: &'static str,
    /// Its ports; `None` once the session has ended.
    pub ports: Option<Arc<InstancePorts>>,
}

impl SessionView {
    pub(super) fn of(live: &Live) -> Self {
        let notice = live.notice();
        let parts = live.parts();
        let instances =
            parts.instances.iter().map(|(index, instance)| InstanceView::of(live, *index, instance));
        Self {
            id: live.id().to_string(),
            playground: live.playground().to_owned(),
            state: if notice.ending.is_some() { SessionState::Closing } else { SessionState::Running },
            end_reason: notice.ending,
            created_at: live.created_at(),
            expires_at: notice.expires_at,
            instances: instances.collect(),
        }
    }

    fn of_row(row: SessionRow, instances: Vec<InstanceRow>) -> Self {
        let state = match row.state {
            SessionState::Ended => "ended",
            _ => "starting",
        };
        Self {
            instances: instances.into_iter().filter_map(|row| InstanceView::of_row(row, state)).collect(),
            id: row.id,
            playground: row.playground,
            state: row.state,
            end_reason: row.end_reason,
            created_at: row.created_at,
            expires_at: row.expires_at,
        }
    }

    /// Whether nothing can be done in it any more.
    pub fn is_over(&self) -> bool {
        matches!(self.state, SessionState::Closing | SessionState::Ended)
    }
}

impl InstanceView {
    pub(super) fn of(live: &Live, index: InstanceIndex, instance: &LiveInstance) -> Self {
        let hostname = instance.hostname.as_str().to_owned();
        Self { name: index.into(), hostname, state: instance.state.as_str(), ports: live.ports().of(index) }
    }

    fn of_row(row: InstanceRow, state: &'static str) -> Option<Self> {
        let name = InstanceName::from(InstanceIndex::try_from(row.place).ok()?);
        let hostname = if row.hostname.is_empty() { name.hostname() } else { row.hostname };
        Some(Self { name, hostname, state, ports: None })
    }
}

impl Sessions {
    /// The owner's session, also after its end.
    ///
    /// # Errors
    /// When its row is gone.
    pub async fn view(&self, owner: &Owner) -> Result<SessionView> {
        if let Some(live) = self.live_session(owner.session()) {
            return Ok(SessionView::of(&live));
        }
        let (db, id) = (&self.parts().db, owner.session().as_str());
        let row = db.session(id).await?.ok_or_else(|| Error::not_found("session"))?;
        Ok(SessionView::of_row(row, db.instances(id).await?))
    }
}
